import { createPinia } from 'pinia';
import { createApp } from 'vue';
import { config } from 'zod';
import App from './App.vue';
import { texts } from './texts/texts.ts';
import './tokens.css';

// The page's content security policy forbids code made at run time.
config({ jitless: true });

createApp(App).use(createPinia()).use(texts).mount('#app');
