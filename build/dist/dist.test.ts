import { describe, expect, it } from 'vitest';
import { componentOf, isCompatible, noticesText, packagesOf } from './components.ts';
import { billOfMaterials, packageUrl } from './sbom.ts';

describe('licences', () => {
  it.each(['MIT', 'Apache-2.0', '(MIT OR GPL-3.0-only)', 'MIT AND ISC', 'BSD-3-Clause'])('%s may be bundled', (licence) => {
    expect(isCompatible(licence)).toBe(true);
  });

  it.each(['GPL-3.0-only', 'MIT AND GPL-2.0-only', 'SEE LICENSE IN licence.txt', 'UNLICENSED', 'CC-BY-NC-4.0', ''])(
    '%j may not',
    (licence) => {
      expect(isCompatible(licence)).toBe(false);
    },
  );
});

describe('packages of a bundle', () => {
  it('are the innermost folders of packages, once each', () => {
    const paths = [
      'engine/cli.ts',
      'node_modules/zod/index.js',
      'node_modules/zod/v4/core.js',
      'node_modules/@vue/shared/dist/shared.js',
      'node_modules/a/node_modules/b/index.js',
      '../elsewhere/node_modules/c/index.js',
    ];
    expect(packagesOf(paths)).toEqual([
      '../elsewhere/node_modules/c',
      'node_modules/@vue/shared',
      'node_modules/a/node_modules/b',
      'node_modules/zod',
    ]);
  });

  it('have a licence text, a version and a hash of the lock file', () => {
    const zod = componentOf('node_modules/zod');
    expect(zod).toMatchObject({ name: 'zod', licence: 'MIT', integrity: expect.stringMatching(/^sha512-/) });
    expect(noticesText([zod])).toContain(`zod ${zod.version} (MIT)`);
    expect(zod.text).toMatch(/permission is hereby granted/i);
  });
});

describe('bill of materials', () => {
  const subject = { name: 'rootmode', version: '1.0.0', licence: 'Apache-2.0', time: new Date(0) };
  const component = { name: '@scope/thing', version: '2.0.0', licence: 'MIT OR ISC', text: '', integrity: 'sha512-AAEC' };
  const bill = JSON.parse(billOfMaterials(subject, [component]));

  it('names components as package URLs, with licence and hash', () => {
    expect(packageUrl(component)).toBe('pkg:npm/%40scope/thing@2.0.0');
    expect(bill.components[0]).toMatchObject({
      purl: 'pkg:npm/%40scope/thing@2.0.0',
      licenses: [{ expression: 'MIT OR ISC' }],
      hashes: [{ alg: 'SHA-512', content: '000102' }],
    });
    expect(bill.dependencies[0].dependsOn).toEqual(['pkg:npm/%40scope/thing@2.0.0']);
  });

  it('is the same for the same content, and another one otherwise', () => {
    expect(billOfMaterials(subject, [component])).toBe(billOfMaterials(subject, [component]));
    const other = JSON.parse(billOfMaterials(subject, [{ ...component, version: '2.0.1' }]));
    expect(other.serialNumber).not.toBe(bill.serialNumber);
    expect(bill.serialNumber).toMatch(/^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  });
});
