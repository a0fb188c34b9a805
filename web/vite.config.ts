/// <reference types="vitest/config" />
import { readFileSync } from 'node:fs'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { brotliCompress, constants, gzip } from 'node:zlib'
import react from '@vitejs/plugin-react'
import { defineConfig, type Plugin } from 'vite'

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url))
const server = process.env['WETREAD_URL'] ?? 'http://127.0.0.1:8080'

/**
 * The page's first script is small, so that what the page will show is asked for at once; the program itself, which it
 * imports, is named in the page too, else it would be asked for a way to the server and back later.
 */
function programInPage(): Plugin {
  return {
    name: 'program-in-page',
    transformIndexHtml: {
      order: 'post',
      handler: (_, { bundle }) => {
        const chunks = Object.values(bundle ?? {}).filter((one) => one.type === 'chunk')
        const program = chunks.find((one) => one.facadeModuleId?.endsWith('/src/app/start.tsx'))
        if (!program) return []
        const entry = chunks.find((one) => one.isEntry)
        const [scripts, styles] = [new Set<string>(), new Set<string>()]
        // What is imported comes before who imports it: rules of style stand in that order.
        const add = (name: string) => {
          if (scripts.has(name)) return
          scripts.add(name)
          const chunk = chunks.find((one) => one.fileName === name)
          for (const next of chunk?.imports ?? []) add(next)
          for (const style of chunk?.viteMetadata?.importedCss ?? []) styles.add(style)
        }
        if (entry) add(entry.fileName)
        const there = new Set(scripts)
        add(program.fileName)
        const link = (rel: string) => (name: string) => ({ tag: 'link', attrs: { rel, crossorigin: true, href: `/${name}` }, injectTo: 'head' as const })
        return [...[...scripts].filter((name) => !there.has(name)).map(link('modulepreload')), ...[...styles].map(link('stylesheet'))]
      },
    },
  }
}

/** Smaller files are sent as quickly as they are. */
const PACKED_LEAST = 1024
const PACKED = /\.(js|css|html|svg|wasm|json)$/

/** Lays each file beside itself packed, as browsers take it: to pack while somebody waits would take longer than it saves. */
function packed(): Plugin {
  let to = ''
  return {
    name: 'packed',
    apply: 'build',
    configResolved: (config) => {
      to = config.build.outDir
    },
    closeBundle: {
      sequential: true,
      order: 'post',
      handler: async () => {
        const files = (await readdir(to, { recursive: true })).filter((name) => PACKED.test(name))
        const each = async (name: string) => {
          const path = join(to, name)
          const bytes = await readFile(path)
          if (bytes.byteLength < PACKED_LEAST) return
          const params = { [constants.BROTLI_PARAM_QUALITY]: 9, [constants.BROTLI_PARAM_LGWIN]: 22, [constants.BROTLI_PARAM_SIZE_HINT]: bytes.byteLength }
          await writeFile(`${path}.br`, await promisify(brotliCompress)(bytes, { params }))
          await writeFile(`${path}.gz`, await promisify(gzip)(bytes, { level: 9 }))
        }
        await Promise.all(files.map(each))
      },
    },
  }
}

const PDFJS = here('./node_modules/pdfjs-dist')
const { version: pdfVersion } = JSON.parse(readFileSync(join(PDFJS, 'package.json'), 'utf8')) as { version: string }
/** By its version: what a browser keeps for ever must not change under its name. */
const PDF_TABLES = `assets/pdfjs-${pdfVersion}`

/** Character maps, fonts, colour profiles and decoders that PDF.js fetches only for documents that need them. */
function pdfTables(): Plugin {
  const files = async () => {
    const found: string[] = []
    for (const folder of ['cmaps', 'standard_fonts', 'wasm', 'iccs'])
      for (const name of await readdir(join(PDFJS, folder)))
        // No script of a document runs, so that nothing is there to run it.
        if (!/\.js$|^quickjs|QUICKJS$/.test(name)) found.push(`${folder}/${name}`)
    return found
  }
  return {
    name: 'pdf-tables',
    generateBundle: {
      handler: async function () {
        for (const name of await files()) this.emitFile({ type: 'asset', fileName: `${PDF_TABLES}/${name}`, source: await readFile(join(PDFJS, name)) })
      },
    },
    configureServer: (dev) => {
      dev.middlewares.use(`/${PDF_TABLES}`, (request, answer, next) => {
        const name = (request.url ?? '').replace(/^\//, '')
        void files().then(async (known) => (known.includes(name) ? answer.end(await readFile(join(PDFJS, name))) : next()))
      })
    },
  }
}

const CORNERSTONE = here('./node_modules/@cornerstonejs')
const NAMES_KEYWORDS = ['core', 'dicom-image-loader', 'metadata', 'tools', 'utils']

interface Dcmjs {
  data: { DicomMetaDictionary: { nameMap: Readonly<Record<string, { tag: string; vr: string; vm: string; name: string } | undefined>> } }
  constants: Readonly<Record<string, unknown>>
}

/** All words of Cornerstone's programs that may be keywords of DICOM. */
async function wordsOfCornerstone(): Promise<ReadonlySet<string>> {
  const words = new Set<string>()
  for (const part of NAMES_KEYWORDS) {
    const folder = join(CORNERSTONE, part, 'dist/esm')
    for (const name of await readdir(folder, { recursive: true })) {
      if (!/(?<!\.test)\.js$/.test(name)) continue
      for (const [word] of (await readFile(join(folder, name), 'utf8')).matchAll(/\b[A-Z][A-Za-z0-9]{3,}\b/g)) words.add(word)
    }
  }
  return words
}

/**
 * Cornerstone takes of dcmjs a log, some UIDs, and what the keywords mean that its modules and rules name; that dcmjs also
 * reads and writes files, with all of the dictionary, the client never uses, and would wait for. So no more than that is
 * laid in its place, taken from it when the client is built.
 */
function leanDcmjs(): Plugin {
  const id = '\0lean-dcmjs'
  return {
    name: 'lean-dcmjs',
    apply: 'build',
    enforce: 'pre',
    resolveId: (asked) => (asked === 'dcmjs' ? id : null),
    load: async (asked) => {
      if (asked !== id) return null
      const requireThere = createRequire(join(CORNERSTONE, 'metadata/package.json'))
      const { data, constants } = requireThere('dcmjs') as Dcmjs
      const known = [...(await wordsOfCornerstone())].sort().flatMap((word) => {
        const one = Object.hasOwn(data.DicomMetaDictionary.nameMap, word) ? data.DicomMetaDictionary.nameMap[word] : undefined
        return one ? [[one.tag.replace(/[(),]/g, ''), one.vr, one.vm, word]] : []
      })
      const words = Object.fromEntries(Object.entries(constants).filter(([, value]) => typeof value === 'string'))
      return `
import log from ${JSON.stringify(createRequire(requireThere.resolve('dcmjs')).resolve('loglevel'))}
log.setLevel('warn')
export { log }
export const constants = ${JSON.stringify(words)}
const [nameMap, dictionary] = [{}, {}]
for (const [hex, vr, vm, name] of ${JSON.stringify(known)})
  nameMap[name] = dictionary[hex] = { tag: '(' + hex.slice(0, 4) + ',' + hex.slice(4) + ')', vr, vm, name }
export const data = { DicomMetaDictionary: { nameMap, dictionary } }
class NotHere {
  constructor() {
    throw new Error('The client reads no files.')
  }
}
const reader = { AsyncDicomReader: NotHere }
export { reader as async }
export const utilities = { DicomMetadataListener: NotHere }
export default { log, constants, data, async: reader, utilities }
`
    },
  }
}

/**
 * What of Cornerstone the page never uses, though its programs name it: viewports of its next generation, of slides, films and
 * waveforms; rules that make display sets; and decoders, which work in a worker of their own.
 */
const NOT_USED = new RegExp(
  [
    'core/dist/esm/RenderingEngine/GenericViewport/(?:Planar|Video|WSI|ECG|Volume3D)/(?!.*ProjectionAdapter)',
    'core/dist/esm/RenderingEngine/(?:WSI|Video|ECG)Viewport\\.js',
    'dicom-image-loader/dist/esm/decodeImageFrameWorker\\.js',
    'dicom-image-loader/dist/esm/shared/decoders/',
    'metadata/dist/esm/displayset/compiledDisplaySetRules\\.js',
  ]
    .map((path) => `/@cornerstonejs/${path}`)
    .join('|'),
)

/** The names that a module gives; null: some are those of others. */
function namesGivenBy(code: string): string[] | null {
  if (/^export \*/m.test(code)) return null
  const declared = [...code.matchAll(/^export (?:async )?(?:function\*?|const|let|var|class) ([\w$]+)/gm)].map((found) => found[1] ?? '')
  const listed = [...code.matchAll(/^export \{([^}]*)\}/gm)].flatMap((found) => (found[1] ?? '').split(',').map((one) => one.trim().split(' as ').at(-1) ?? ''))
  return [...new Set([...declared, ...listed, .../^export default /m.test(code) ? ['default'] : []])].filter(Boolean)
}

/** Leaves out what the page never uses; whoever called it would be told. */
function leanCornerstone(): Plugin {
  return {
    name: 'lean-cornerstone',
    apply: 'build',
    enforce: 'pre',
    load: async (asked) => {
      const names = NOT_USED.test(asked) ? namesGivenBy(await readFile(asked, 'utf8')) : null
      if (!names?.length) return null
      return `function NotHere() {\n  throw new Error('The client has no part of this kind.')\n}\nexport { ${names.map((name) => `NotHere as ${name}`).join(', ')} }\n`
    },
  }
}

/** The profiles of vtk.js bring what draws by WebGPU beside what draws by WebGL, which is all that Cornerstone draws by. */
function noWebGpu(): Plugin {
  const id = '\0no-webgpu'
  return {
    name: 'no-webgpu',
    apply: 'build',
    enforce: 'pre',
    resolveId: (asked, from) => (/[/]WebGPU[/]/.test(asked) && from?.includes('/@kitware/vtk.js/Rendering/Profiles/') ? id : null),
    load: (asked) => (asked === id ? '' : null),
  }
}

export default defineConfig({
  plugins: [react(), leanDcmjs(), leanCornerstone(), noWebGpu(), programInPage(), pdfTables(), packed()],
  define: { __PDF_TABLES__: JSON.stringify(PDF_TABLES) },
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
