import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import vue from '@vitejs/plugin-vue'
import Components from 'unplugin-vue-components/vite'
import { ElementPlusResolver } from 'unplugin-vue-components/resolvers'
import type { Plugin } from 'vite'
import { defineConfig } from 'vitest/config'

const dist = fileURLToPath(new URL('../gateway/pages/dist', import.meta.url))

/** Writes `<file>.gz` beside every text asset over 1 kB, so that the gateway never compresses while answering. */
function precompress(): Plugin {
  const walk = (folder: string): string[] =>
    readdirSync(folder, { withFileTypes: true }).flatMap((entry) =>
      entry.isDirectory() ? walk(join(folder, entry.name)) : [join(folder, entry.name)],
    )
  return {
    name: 'isocenter-precompress',
    apply: 'build',
    closeBundle() {
      for (const path of walk(dist)) {
        if (/\.(js|css|html|svg|json)$/.test(path) && statSync(path).size > 1024) {
          writeFileSync(`${path}.gz`, gzipSync(readFileSync(path), { level: 9 }))
        }
      }
    },
  }
}

/**
 * A browser asks six files at a time of HTTP/1.1: what every page needs comes as one file, what most pages share as another;
 * without this a first page is 45 requests, most under 1 kB. Viewers and charts stay files of their own.
 */
const codeSplitting = {
  groups: [
    { name: 'start', tags: ['$initial' as const], priority: 2 },
    { name: 'parts', test: /src\/(api|stores|components\/app)\/|composables\/(useAsync|useFormat|useTitles|useProblemText|tell)\.ts/, minShareCount: 3, priority: 1 },
  ],
}

export default defineConfig({
  plugins: [
    vue(),
    Components({ dirs: [], dts: 'src/components.d.ts', resolvers: [ElementPlusResolver({ importStyle: 'css' })] }),
    precompress(),
  ],
  resolve: { alias: { '@': fileURLToPath(new URL('./src', import.meta.url)) } },
  define: { __VUE_I18N_FULL_INSTALL__: 'false', __VUE_I18N_LEGACY_API__: 'false', __INTLIFY_PROD_DEVTOOLS__: 'false' },
  build: { outDir: dist, emptyOutDir: true, target: 'es2022', chunkSizeWarningLimit: 400, rolldownOptions: { output: { codeSplitting } } },
  server: {
    proxy: Object.fromEntries(
      ['/api', '/dicom-web', '/slides'].map((prefix) => [prefix, process.env.ISOCENTER_DEV_API ?? 'http://127.0.0.1:8600']),
    ),
  },
  test: { include: ['test/**/*.test.ts'], environment: 'node' },
})
