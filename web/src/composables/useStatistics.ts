import { computed } from 'vue'
import { useRoute, useRouter } from 'vue-router'
import { DASHBOARDS, MEASURES, type DashboardName, type Measure, type StatisticsQuery } from '@/api/statistics'

/** One kept value of a dimension, as the address has it: `sex:F`. */
export interface Kept {
  dimension: string
  value: string
}

const AGE = /^(\d+)-(\d+)$/
const THICKNESS: Record<string, { gte?: number; lte?: number }> = {
  '<1 mm': { lte: 0.999999 }, '1-2 mm': { gte: 1, lte: 1.999999 }, '2-3 mm': { gte: 2, lte: 2.999999 }, '3-5 mm': { gte: 3, lte: 4.999999 },
  '5-7 mm': { gte: 5, lte: 6.999999 }, '7 mm and more': { gte: 7 },
}
const TERMS: Record<string, string> = {
  disease: 'disease', sex: 'sex', hospital: 'hospital', label: 'label', label_source: 'label_source', label_state: 'label_state', modality: 'Modality',
  format: 'format', body_part: 'BodyPartExamined', manufacturer: 'Manufacturer', sequence: 'sequence', phase: 'phase',
}

/** Whether a click on this value can become a condition: what is not known, and devices of two columns, cannot. */
export const canKeep = (dimension: string, value: string): boolean =>
  value !== '' && (dimension in TERMS || ['age_band', 'thickness', 'import_month', 'import_day'].includes(dimension)) && !(dimension === 'label_source' && value === 'none')

/** The kept values as the filter of the search language; months of import are apart from it. */
export function questionOf(kept: readonly Kept[]): StatisticsQuery {
  const terms: Record<string, string[]> = {}
  const ranges: Record<string, { gte?: number; lte?: number }> = {}
  const asked: StatisticsQuery = {}
  for (const { dimension, value } of kept) {
    const ages = AGE.exec(value)
    if (dimension === 'age_band') ranges.age = ages ? { gte: Number(ages[1]), lte: Number(ages[2]) + 0.999999 } : { gte: 90 }
    else if (dimension === 'thickness') ranges.SliceThickness = THICKNESS[value] ?? {}
    else if (dimension === 'import_month') [asked.since, asked.until] = [`${value}-01`, lastDay(value)]
    else if (dimension === 'import_day') [asked.since, asked.until] = [value, value]
    else if (dimension === 'label' && value === 'review') terms.label_state = ['review']
    else if (dimension in TERMS) terms[TERMS[dimension]] = [value]
  }
  if (Object.keys(terms).length || Object.keys(ranges).length) asked.query = JSON.stringify({ terms, ranges })
  return asked
}

function lastDay(month: string): string {
  const [year, number] = month.split('-').map(Number)
  return `${month}-${String(new Date(Date.UTC(year, number, 0)).getUTCDate()).padStart(2, '0')}`
}

/** Dashboard, measure, version and kept values, all in the address, so that a view can be shared and the back button works. */
export function useStatistics() {
  const route = useRoute()
  const router = useRouter()
  const text = (name: string): string => (typeof route.query[name] === 'string' ? (route.query[name] as string) : '')
  const by = computed<DashboardName>(() => DASHBOARDS.find((one) => one === text('by')) ?? 'disease')
  const measure = computed<Measure>(() => MEASURES.find((one) => one === text('count')) ?? 'patients')
  const version = computed(() => text('version'))
  const kept = computed<Kept[]>(() => {
    const given = route.query.only
    const all = (Array.isArray(given) ? given : [given]).filter((one): one is string => typeof one === 'string' && one.includes(':'))
    return all.map((one) => ({ dimension: one.slice(0, one.indexOf(':')), value: one.slice(one.indexOf(':') + 1) })).filter((one) => canKeep(one.dimension, one.value))
  })
  const asked = computed<StatisticsQuery>(() => ({ ...questionOf(kept.value), ...(version.value ? { version: version.value } : {}) }))

  const set = (name: 'by' | 'count' | 'version', value: string): void => void router.push({ query: { ...route.query, [name]: value || undefined } })
  function keep(all: readonly Kept[]): void {
    void router.push({ query: { ...route.query, only: all.length ? all.map((one) => `${one.dimension}:${one.value}`) : undefined } })
  }
  /** Keep these values, or, when all of them are kept already, let them go. */
  function toggle(values: readonly Kept[]): void {
    const has = (one: Kept): boolean => kept.value.some((other) => other.dimension === one.dimension && other.value === one.value)
    const others = kept.value.filter((one) => !values.some((other) => other.dimension === one.dimension))
    keep(values.every(has) ? others : [...others, ...values])
  }

  return { by, measure, version, kept, asked, set, keep, toggle }
}
