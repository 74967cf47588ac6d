import vue from '@vitejs/plugin-vue';
import { defineConfig } from 'vite';
import packageFile from './package.json' with { type: 'json' };

// The window's files, into the flat folder of built programs; nothing inline, as its content security policy demands.
export default defineConfig({
  root: 'renderer',
  base: './',
  plugins: [vue()],
  logLevel: 'warn',
  build: {
    outDir: '../.out/renderer',
    emptyOutDir: true,
    target: 'es2023',
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 1024,
  },
  define: {
    rootmodeVersion: JSON.stringify(packageFile.version),
    __VUE_OPTIONS_API__: false,
    __VUE_PROD_DEVTOOLS__: false,
    __INTLIFY_JIT_COMPILATION__: true,
    __VUE_I18N_LEGACY_API__: false,
  },
});
