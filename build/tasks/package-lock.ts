interface Manifest {
  readonly devDependencies?: Readonly<Record<string, string>>;
}

interface Lock {
  readonly packages: Readonly<
    Record<string, { readonly resolved?: string; readonly devDependencies?: Readonly<Record<string, string>> }>
  >;
}

/** The lock file follows package.json, versions are exact, and no address of a registry stands in it (it would bind everyone to one host). */
export function packageLockFindings(manifestText: string, lockText: string): readonly string[] {
  const wanted = (JSON.parse(manifestText) as Manifest).devDependencies ?? {};
  const { packages } = JSON.parse(lockText) as Lock;
  const locked = packages['']?.devDependencies ?? {};
  const found: string[] = [];
  for (const [name, version] of Object.entries(wanted)) {
    if (!/^(\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?|file:.+)$/.test(version))
      found.push(`package.json: ${name} has no exact version (${version})`);
    if (locked[name] !== version)
      found.push(`package-lock.json: ${name} is ${locked[name] ?? 'missing'}, package.json says ${version}`);
  }
  for (const [path, entry] of Object.entries(packages)) {
    if (entry.resolved?.includes('://') === true) found.push(`package-lock.json: ${path} names a registry host`);
  }
  return found;
}
