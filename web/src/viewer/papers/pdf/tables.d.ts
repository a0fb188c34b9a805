/** Where the client's files have those that PDF.js fetches; `vite.config.ts` says it. */
declare const __PDF_TABLES__: string
