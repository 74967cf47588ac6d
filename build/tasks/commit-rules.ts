const subjectColumns = 72;
const subjectForm = /^[a-z][a-z0-9,./ -]*: [^ ].*[^. ]$/;

/** What is wrong with a commit message, one sentence each. Merge, revert and fixup messages are git's own and pass. */
export function messageFindings(message: string): readonly string[] {
  const lines = message.split('\n').filter((line) => !line.startsWith('#'));
  const subject = lines[0] ?? '';
  if (/^(Merge|Revert|fixup!|squash!) ?/.test(subject)) return [];
  const found: string[] = [];
  if (!subjectForm.test(subject)) found.push("the subject has the form 'area: what changes', without a full stop");
  if (subject.length > subjectColumns) found.push(`the subject has ${subject.length} columns, at most ${subjectColumns}`);
  if (lines[1] !== undefined && lines[1] !== '') found.push('the second line is empty');
  if (lines.slice(2).every((line) => line.trim() === '')) found.push('the body says the cause and the reason');
  return found;
}
