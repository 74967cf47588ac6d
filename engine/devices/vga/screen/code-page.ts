/** The characters of a PC's font (code page 437) as Unicode; control codes as the pictures the font has for them. */
const CONTROL = ' ☺☻♥♦♣♠•◘○◙♂♀♪♫☼►◄↕‼¶§▬↨↑↓→←∟↔▲▼';
const UPPER =
  'ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■ ';

/** 256 characters, one UTF-16 unit each. */
export const CODE_PAGE = `${CONTROL}${Array.from({ length: 95 }, (_, i) => String.fromCharCode(32 + i)).join('')}⌂${UPPER}`;
