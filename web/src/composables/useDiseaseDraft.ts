import { computed, inject, provide, reactive, ref, type InjectionKey } from 'vue'
import type { CategoryDraft, DiseaseDetail, DiseaseDraft, SchemeDraft, TermDraft } from '@/api/diseases'
import type { Problem } from '@/api/problem'

export const newScheme = (code: string): SchemeDraft => ({
  code, number: 1, title: { zh: '', en: '' }, meaning: { zh: '', en: '' }, threshold: 0.9, told: '',
  classes: [{ value: '0', title: { zh: '', en: '' } }, { value: '1', title: { zh: '', en: '' } }],
})
export const newTerm = (): TermDraft => ({ id: '', meaning: 'malignant', kind: 'any', subtype: '', words: [] })
export const newCategory = (): CategoryDraft => ({ id: '', pattern: '', grades: {} })

function draftOf(detail: DiseaseDetail | null): DiseaseDraft {
  const empty: DiseaseDraft = {
    code: '', prefix: '', number: 1, title: { zh: '', en: '' }, organ: '', organ_words: [], body_parts: [], modalities: [],
    schemes: [newScheme('malignancy')], terms: [], categories: [],
  }
  if (!detail) return empty
  const of = JSON.parse(JSON.stringify({ ...empty, ...detail.definition })) as DiseaseDraft
  of.schemes = of.schemes.map((one) => ({ ...newScheme(one.code), ...one, meaning: { zh: one.meaning?.zh ?? '', en: one.meaning?.en ?? '' } }))
  of.terms = of.terms.map((one) => ({ ...newTerm(), ...one }))
  return of
}

/** A disease that is being edited, and by field what the server refused of it. */
export function useDiseaseDraft(detail: DiseaseDetail | null) {
  const draft = reactive(draftOf(detail))
  const before = JSON.stringify(draft)
  const dirty = computed(() => JSON.stringify(draft) !== before)
  const wrong = ref<Record<string, string>>({})

  /** Keep what a problem says of each field; a later edit of the same field lets go of it. */
  function refused(problem: Problem | null): void {
    const places = problem?.places?.length ? problem.places : problem?.field ? [{ field: problem.field, detail: problem.detail }] : []
    wrong.value = Object.fromEntries(places.map((one) => [one.field, one.detail]))
  }
  return { draft, dirty, wrong, refused }
}

const KEY: InjectionKey<(path: string) => string> = Symbol('what is wrong with a field')

/** For the fields below: what was refused of the field at a path, as ``schemes.0.classes.1.value``. */
export function provideWrong(of: (path: string) => string): void {
  provide(KEY, of)
}
export const useWrong = (): ((path: string) => string) => inject(KEY, () => '')

/** The server's sentence about a value, as a key of the locale files with what it counts. */
const SENTENCES: [RegExp, string][] = [
  [/Field required|at least 1 character|List should have at least 1 /, 'empty'],
  [/at least (\d+) items?/, 'fewer'],
  [/at most (\d+)/, 'long'],
  [/match pattern|regular expression/, 'pattern'],
  [/greater than or equal to ([\d.]+)/, 'least'],
  [/less than or equal to ([\d.]+)/, 'most'],
  [/same (value|code|id)/, 'twice'],
  [/exists already/, 'taken'],
  [/state of a label/, 'reserved'],
  [/Labels use a class/, 'used'],
  [/the first scheme has none/, 'firstTold'],
]
export function sentenceOf(detail: string): { key: string; n: string } {
  for (const [form, key] of SENTENCES) {
    const found = form.exec(detail)
    if (found) return { key, n: found[1] ?? '' }
  }
  return { key: 'other', n: '' }
}
