/** Long enough for a browser to have begun to save. */
const KEPT_MILLISECONDS = 10_000;

/** Save bytes or text as a file of this name, where the browser keeps what is saved. */
export function saveAs(name: string, parts: readonly BlobPart[], type = 'text/plain'): void {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob([...parts], { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), KEPT_MILLISECONDS);
}
