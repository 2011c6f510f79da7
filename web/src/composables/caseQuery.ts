import type { CaseFilter } from '@/api/catalog'
import type { CaseQuery } from '@/api/datasets'

/** Names of the address and what they are called in the search language (isocenter/search.py). */
const USUAL = { label: 'label', label_state: 'label_state', sex: 'sex', modality: 'Modality' } as const
type Usual = keyof typeof USUAL

/** Conditions beyond the usual ones, one "name:value" each: "phase:arterial". */
export type Has = readonly string[]

export const partsOf = (one: string): [string, string] => [one.slice(0, one.indexOf(':')), one.slice(one.indexOf(':') + 1)]

/** The filter of a page as a question of the search language. `q` is a whole case key here: the language knows no beginnings. */
export function queryOf(disease: string, filter: CaseFilter, has: Has = []): CaseQuery {
  const terms: Record<string, string[]> = { disease: [disease] }
  for (const [name, noun] of Object.entries(USUAL)) {
    const value = filter[name as Usual]
    if (value) terms[noun] = [value]
  }
  if (filter.q) terms.case = [filter.q.toUpperCase()]
  for (const [name, value] of has.map(partsOf)) terms[name] = [...(terms[name] ?? []), value]
  const age = { ...(filter.age_gte ? { gte: Number(filter.age_gte) } : {}), ...(filter.age_lte ? { lte: Number(filter.age_lte) } : {}) }
  return { terms, ranges: Object.keys(age).length ? { age } : {}, include_null: false }
}

/** The address that asks a saved question; undefined for one that the page has no words for. */
export function addressOf(query: Partial<CaseQuery>): { disease: string; filter: Record<string, string | string[]> } | undefined {
  const { disease, ...terms } = query.terms ?? {}
  const ranges = { ...query.ranges }
  const age = ranges.age ?? {}
  delete ranges.age
  if (!disease?.[0] || Object.keys(ranges).length) return undefined
  const filter: Record<string, string | string[]> = {}
  const has: string[] = []
  for (const [noun, values] of Object.entries(terms)) {
    const usual = (Object.keys(USUAL) as Usual[]).find((name) => USUAL[name] === noun)
    if (usual && values.length === 1) filter[usual] = values[0]
    else if (noun === 'case' && values.length === 1) filter.q = values[0]
    else has.push(...values.map((value) => `${noun}:${value}`))
  }
  if (age.gte !== undefined) filter.age_gte = String(age.gte)
  if (age.lte !== undefined) filter.age_lte = String(age.lte)
  return { disease: disease[0], filter: { ...filter, ...(has.length ? { has } : {}) } }
}
