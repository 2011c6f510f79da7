import { computed } from 'vue'
import { useRoute, useRouter } from 'vue-router'
import type { CaseFilter } from '@/api/catalog'
import { partsOf } from '@/composables/caseQuery'

const NAMES = ['q', 'label', 'label_state', 'sex', 'age_gte', 'age_lte', 'modality', 'deleted'] as const
export type FilterName = (typeof NAMES)[number]

/** Attributes of the search language that have a field of their own in the filter. */
const FIELD_OF: Record<string, FilterName> = { label: 'label', label_state: 'label_state', sex: 'sex', Modality: 'modality' }

/** The filter of the case list, kept in the address, so that it can be shared and the back button works. */
export function useCaseFilter() {
  const route = useRoute()
  const router = useRouter()

  const filter = computed<CaseFilter>(() =>
    Object.fromEntries(NAMES.map((name) => [name, route.query[name]]).filter((pair): pair is [string, string] => typeof pair[1] === 'string' && pair[1] !== '')),
  )
  /** What else was chosen among the facets: "phase:arterial". */
  const has = computed<string[]>(() => [route.query.has ?? []].flat().filter((one): one is string => typeof one === 'string' && one.includes(':')))
  const active = computed(() => Object.keys(filter.value).length + has.value.length)

  function set(name: FilterName, value: string | number | null | undefined): void {
    const query = { ...route.query, [name]: value === null || value === undefined || value === '' ? undefined : String(value) }
    void router.replace({ query })
  }

  /** Is this value of an attribute asked for? */
  const chosen = (name: string, value: string): boolean => (FIELD_OF[name] ? filter.value[FIELD_OF[name]] === value : has.value.includes(`${name}:${value}`))

  /** Ask for a value of an attribute, or no longer. */
  function toggle(name: string, value: string): void {
    const on = !chosen(name, value)
    if (FIELD_OF[name]) return set(FIELD_OF[name], on ? value : '')
    const others = has.value.filter((one) => one !== `${name}:${value}`)
    void router.replace({ query: { ...route.query, has: on ? [...others, `${name}:${value}`] : others } })
  }

  const clear = (): void => void router.replace({ query: {} })
  const words = computed(() => has.value.map(partsOf))

  return { filter, has, words, active, set, chosen, toggle, clear }
}
