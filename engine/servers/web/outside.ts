/** Serving beyond this computer: only under TLS, with the certificate and key of whoever wants that. */
import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createSecureContext } from 'node:tls';
import { EngineError } from '../../contract/errors.ts';
import { reasonOf } from '../../host/files.ts';

/** Where to listen besides 127.0.0.1, and how to be known there. */
export interface Outside {
  readonly address: string;
  /** Names and addresses that the certificate is for: nothing else is answered. */
  readonly names: readonly string[];
  readonly cert: Buffer;
  readonly key: Buffer;
}

export interface OutsideWords {
  readonly listen?: string;
  readonly tlsCert?: string;
  readonly tlsKey?: string;
}

/** Undefined when nothing of it is said. Fails with `setting-invalid` when a part is missing, or certificate and key are none or no pair. */
export function outsideOf({ listen, tlsCert, tlsKey }: OutsideWords): Outside | undefined {
  if (listen === undefined && tlsCert === undefined && tlsKey === undefined) return undefined;
  if (listen === undefined || tlsCert === undefined || tlsKey === undefined) {
    const reason =
      'goes only with the others of --listen, --tls-cert and --tls-key: without TLS everybody on the way could read and type';
    throw refused(listen === undefined ? '--listen' : '--tls-cert', listen ?? tlsCert ?? tlsKey ?? '', reason);
  }
  const cert = read('--tls-cert', tlsCert);
  const key = read('--tls-key', tlsKey);
  try {
    createSecureContext({ cert, key });
    const names = namesOf(new X509Certificate(cert));
    if (names.length === 0) throw new Error('names no host in its subjectAltName');
    return { address: listen, names, cert, key };
  } catch (cause) {
    throw refused('--tls-cert', tlsCert, `and its key cannot be used (${reasonOf(cause)})`);
  }
}

/** The DNS names and IP addresses of a certificate (RFC 5280, 4.2.1.6), as they stand in URLs. Wildcards name no host. */
function namesOf({ subjectAltName = '' }: X509Certificate): string[] {
  return [...subjectAltName.matchAll(/(?:DNS|IP Address):([^,\s]+)/g)]
    .map(([, name = '']) => (name.includes(':') ? `[${name.toLowerCase()}]` : name.toLowerCase()))
    .filter((name) => !name.includes('*'));
}

function read(setting: string, path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (cause) {
    throw refused(setting, path, `cannot be read (${reasonOf(cause)})`);
  }
}

const refused = (setting: string, value: string, reason: string): EngineError =>
  new EngineError('setting-invalid', { setting, value, reason });
