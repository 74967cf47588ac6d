/** Mixed load for a guest that runs for hours: a shell script in an initramfs of its own, which the kernel unpacks over that of the test guests. */
import { readFileSync, writeFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { cpioArchive } from '../tasks/cpio.ts';

/** What each round says at its end: its number and a hash that is the same in every round. */
export const ROUND = /@ROUND (\d+) ([0-9a-f]{32})/g;

/**
 * One round: text generated, transformed, sorted and compared, archives made and taken apart, processes, pipes and files in great numbers.
 * Each works with a fresh copy of its program, so that the same code comes to lie in other pages of memory, and those hold other code later.
 */
const script = (extra: string): string => `#!/bin/sh
cd /tmp
n=0
while :; do
  n=$((n + 1))
  b=/tmp/work/busybox$((n % 3))
  mkdir -p /tmp/work
  cp /bin/busybox $b
  $b seq 1 4000 | $b awk '{ printf "int f%d(int a) { return a * %d + %d; }\\n", $1, $1 * 7 % 113, $1 % 31 }' > work/source
  $b sed -e 's/int \\(f[0-9]*\\)(int a)/long \\1(long a, long b)/' -e '/return/s/a \\*/(a ^ b) */' work/source > work/changed
  $b grep -c 'b) \\* 7' work/changed > work/out
  $b sort -t'*' -k2 work/changed | $b uniq | $b tail -n 500 | $b md5sum >> work/out
  $b awk '{ for (i = 1; i <= length($0); i++) c[substr($0, i, 1)]++ } END { for (k in c) print k, c[k] }' work/source | $b sort >> work/out
  $b tar -cf work/archive work/source work/changed 2>/dev/null
  $b gzip -c work/archive | $b gunzip -c | $b cmp - work/archive >> work/out
  $b bzip2 -c work/changed | $b bunzip2 -c | $b sha1sum >> work/out
  i=0; while [ $i -lt 60 ]; do $b true; $b expr $i + 1 >> work/out; i=$((i + 1)); done
  $b dd if=/dev/zero bs=64 count=20000 2>/dev/null | $b cat | $b sha256sum >> work/out
  $b find /bin /etc /sys/class | $b wc -l > /dev/null
  mkdir work/many; i=0; while [ $i -lt 150 ]; do echo $i > work/many/$i; i=$((i + 1)); done
  $b cat work/many/* | $b sort -n | $b md5sum >> work/out
  rm -r work/many
  ${extra}
  set -- $($b md5sum < work/out)
  rm -f $b work/*
  echo "@ROUND $n $1"
done
`;

/** Write the archive; `also`: a static program of the host and words that run it in each round. */
export function writeLoad(path: string, initrd: string, also: string | undefined): void {
  const [program, ...words] = also?.split(' ') ?? [];
  const extra = program === undefined ? ':' : `/extra ${words.join(' ')} > /dev/null`;
  const file = (name: string, content: Uint8Array) => ({ kind: 'file', path: name, content, mode: 0o755 }) as const;
  const members = [file('soak', Buffer.from(script(extra)))];
  if (program !== undefined) members.push(file('extra', readFileSync(program)));
  writeFileSync(path, Buffer.concat([readFileSync(initrd), gzipSync(cpioArchive(members))]));
}
