/** The bill of materials in CycloneDX 1.6, JSON (https://cyclonedx.org/docs/1.6/json/). */
import { createHash } from 'node:crypto';
import type { Component } from './components.ts';

export interface Subject {
  readonly name: string;
  readonly version: string;
  readonly licence: string;
  /** When the sources were committed: the same sources give the same bytes. */
  readonly time: Date;
}

/** Package URL of an npm package (https://github.com/package-url/purl-spec, type npm): the scope's @ is percent-encoded. */
export function packageUrl({ name, version }: Pick<Component, 'name' | 'version'>): string {
  return `pkg:npm/${name.replace('@', '%40')}@${version}`;
}

export function billOfMaterials(subject: Subject, components: readonly Component[]): string {
  const reference = `${subject.name}@${subject.version}`;
  const content = {
    metadata: {
      timestamp: subject.time.toISOString(),
      component: {
        type: 'application',
        'bom-ref': reference,
        name: subject.name,
        version: subject.version,
        licenses: [{ license: { id: subject.licence } }],
      },
    },
    components: components.map((component) => ({
      type: 'library',
      'bom-ref': packageUrl(component),
      name: component.name,
      version: component.version,
      purl: packageUrl(component),
      licenses: [licenceEntry(component.licence)],
      ...hashes(component),
    })),
    dependencies: [{ ref: reference, dependsOn: components.map(packageUrl) }],
  };
  const serialNumber = `urn:uuid:${nameBasedUuid(JSON.stringify(content))}`;
  const document = { $schema: 'http://cyclonedx.org/schema/bom-1.6.schema.json', bomFormat: 'CycloneDX', specVersion: '1.6' };
  return `${JSON.stringify({ ...document, serialNumber, version: 1, ...content }, undefined, 2)}\n`;
}

function licenceEntry(licence: string): object {
  return / (OR|AND) /.test(licence) ? { expression: licence } : { license: { id: licence } };
}

function hashes({ integrity }: Component): object {
  if (integrity === undefined || !integrity.startsWith('sha512-')) return {};
  const content = Buffer.from(integrity.slice('sha512-'.length), 'base64').toString('hex');
  return { hashes: [{ alg: 'SHA-512', content }] };
}

/** A UUID of version 8 (RFC 9562, section 5.8) from a SHA-256: the same content has the same one. */
function nameBasedUuid(content: string): string {
  const bytes = createHash('sha256').update(content).digest().subarray(0, 16);
  bytes[6] = ((bytes[6] as number) & 0x0f) | 0x80;
  bytes[8] = ((bytes[8] as number) & 0x3f) | 0x80;
  return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}
