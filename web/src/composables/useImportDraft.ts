import { computed, reactive, ref } from 'vue'
import { importsApi, type DateOrder, type NewImport, type Place, type TableKind, type TablePreview } from '@/api/imports'
import { asProblem, type Problem } from '@/api/problem'
import type { useUpload } from '@/composables/useUpload'

export interface TableDraft {
  id: string
  place: Place
  name: string
  kind: TableKind | undefined
  preview: TablePreview | undefined
  /** column -> noun, "" for a column that is not used */
  nouns: Record<string, string>
  dateOrder: DateOrder | undefined
  busy: boolean
  problem: Problem | null
}

export const isTableName = (name: string): boolean => /\.(csv|tsv|txt|xlsx|xls)$/i.test(name) && !name.startsWith('.') && !name.startsWith('~$')
export type SourceKind = 'folder' | 'upload' | 'none'
export type Missing = 'folder' | 'upload' | 'uploading' | 'tables' | 'columns' | 'hospital' | 'diseases'

/** Everything a person says before an import starts, and what is still missing. */
export function useImportDraft(upload: ReturnType<typeof useUpload>) {
  const source = ref<SourceKind>('folder')
  const folder = reactive({ root: '', path: '' })
  const tables = ref<TableDraft[]>([])
  const hospital = ref('')
  const auto = ref(true)
  const diseases = ref<string[]>([])
  const schemes = ref<Record<string, string>>({})

  async function preview(table: TableDraft, keepMapping = false): Promise<void> {
    table.busy = true
    table.problem = null
    try {
      const kept = keepMapping ? { mapping: mappingOf(table), date_order: table.dateOrder } : {}
      const [first] = await importsApi.preview(hospital.value, [{ ...table.place, kind: table.kind, ...kept }])
      table.kind = first.kind
      if (!keepMapping) {
        table.dateOrder = first.date_order || undefined
        table.nouns = Object.fromEntries(first.columns.map((column) => [column, '']))
        for (const [noun, found] of Object.entries(first.mapping)) table.nouns[found.column] = noun
      }
      table.preview = first
    } catch (error) {
      table.problem = asProblem(error)
    } finally {
      table.busy = false
    }
  }

  function addTable(place: Place, name: string): void {
    const id = [place.root ?? '', place.upload ?? '', place.path ?? ''].join('|')
    if (tables.value.some((one) => one.id === id)) return
    tables.value.push({ id, place, name, kind: undefined, preview: undefined, nouns: {}, dateOrder: undefined, busy: false, problem: null })
    void preview(tables.value[tables.value.length - 1])
  }

  function setKind(table: TableDraft, kind: TableKind): void {
    table.kind = kind
    void preview(table)
  }

  /** Give a column a noun; a noun belongs to one column at most. */
  function setNoun(table: TableDraft, column: string, noun: string): void {
    for (const other of Object.keys(table.nouns)) if (noun && table.nouns[other] === noun) table.nouns[other] = ''
    table.nouns[column] = noun
    void preview(table, true)
  }

  function setDateOrder(table: TableDraft, order: DateOrder): void {
    table.dateOrder = order
  }

  const removeTable = (table: TableDraft): void => {
    tables.value = tables.value.filter((one) => one.id !== table.id)
  }

  const missing = computed<Missing[]>(() => [
    ...(source.value === 'folder' && !folder.root ? (['folder'] as const) : []),
    ...(source.value === 'upload' && !upload.files.value.length ? (['upload'] as const) : []),
    ...(upload.files.value.length && !upload.complete.value ? (['uploading'] as const) : []),
    ...(source.value === 'none' && !tables.value.length ? (['tables'] as const) : []),
    ...(tables.value.some((one) => one.busy || !one.preview || one.problem || one.preview.missing.length) ? (['columns'] as const) : []),
    ...(hospital.value ? [] : (['hospital'] as const)),
    ...(auto.value || diseases.value.length ? [] : (['diseases'] as const)),
  ])

  function request(): NewImport {
    return {
      hospital: hospital.value,
      source:
        source.value === 'folder'
          ? { kind: 'folder', root: folder.root, path: folder.path }
          : source.value === 'upload'
            ? { kind: 'upload', upload: upload.key.value }
            : { kind: 'none' },
      tables: tables.value.map((one) => ({ ...one.place, kind: one.kind, mapping: mappingOf(one), date_order: one.dateOrder })),
      diseases: auto.value ? 'auto' : diseases.value,
      ...(Object.keys(schemes.value).length ? { schemes: schemes.value } : {}),
    }
  }

  return { source, folder, tables, hospital, auto, diseases, schemes, missing, addTable, removeTable, setKind, setNoun, setDateOrder, preview, request }
}

export type ImportDraft = ReturnType<typeof useImportDraft>

function mappingOf(table: TableDraft): Record<string, string> {
  return Object.fromEntries(Object.entries(table.nouns).filter(([, noun]) => noun).map(([column, noun]) => [noun, column]))
}
