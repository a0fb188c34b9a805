/// <reference types="vitest/config" />
import { fileURLToPath } from 'node:url'
import react from '@vitejs/plugin-react'
import { defineConfig } from 'vite'

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url))
const server = process.env['WETREAD_URL'] ?? 'http://127.0.0.1:8080'

export default defineConfig({
  plugins: [react()],
  resolve: {
    alias: {
      '@': here('./src'),
      // vtk.js pulls in an XML writer that needs Node's `events`; the viewer never writes XML.
      xmlbuilder2: here('./shims/xmlbuilder2.js'),
      '@cornerstonejs/codec-openjph/wasmjs': here('./shims/openjph.js'),
    },
  },
  worker: { format: 'es' },
  build: { target: 'es2022', chunkSizeWarningLimit: 6000, reportCompressedSize: false },
  optimizeDeps: {
    exclude: ['@cornerstonejs/dicom-image-loader'],
    include: [
      'dicom-parser',
      '@cornerstonejs/codec-openjph',
      '@cornerstonejs/codec-openjpeg/decodewasmjs',
      '@cornerstonejs/codec-charls/decodewasmjs',
      '@cornerstonejs/codec-libjpeg-turbo-8bit/decodewasmjs',
    ],
  },
  server: {
    host: '127.0.0.1',
    port: 23000,
    proxy: { '/api': server, '/dicom-web': server, '/healthz': server },
  },
  test: {
    restoreMocks: true,
    testTimeout: 15_000,
    // What it imports is taken from where the client takes it.
    server: { deps: { inline: [/dicom-image-loader/] } },
    // A document is made for each file that has components, and takes longer than all tests of those that have none.
    projects: [
      // Rules hold no state that a test would not make itself: to load their modules anew for each file is most of the work.
      { extends: true, test: { name: 'rules', environment: 'node', isolate: false, include: ['src/**/*.test.ts'] } },
      {
        extends: true,
        test: {
          name: 'components',
          environment: 'jsdom',
          setupFiles: ['./src/testing.ts'],
          include: ['src/**/*.test.tsx'],
        },
      },
    ],
  },
})
