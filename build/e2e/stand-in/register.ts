/** Lets `electron` mean the stand-in, for imports and for `require` from the debugger. */
import Module, { registerHooks } from 'node:module';

const standIn = new URL('./electron.ts', import.meta.url).href;

registerHooks({
  resolve: (specifier, context, next) =>
    specifier === 'electron' ? { url: standIn, shortCircuit: true, format: 'module-typescript' } : next(specifier, context),
});

type Load = (request: string, parent: unknown, isMain: boolean) => unknown;
const loader = Module as unknown as { _load: Load };
const load = loader._load;
loader._load = (request, parent, isMain) => load(request === 'electron' ? new URL(standIn).pathname : request, parent, isMain);
