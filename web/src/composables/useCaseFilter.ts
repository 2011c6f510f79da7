import { computed } from 'vue'
import { useRoute, useRouter } from 'vue-router'
import type { CaseFilter } from '@/api/catalog'

const NAMES = ['q', 'label', 'label_state', 'sex', 'age_gte', 'age_lte', 'modality', 'deleted'] as const
export type FilterName = (typeof NAMES)[number]

/** The filter of the case list, kept in the address, so that it can be shared and the back button works. */
export function useCaseFilter() {
  const route = useRoute()
  const router = useRouter()

  const filter = computed<CaseFilter>(() =>
    Object.fromEntries(NAMES.map((name) => [name, route.query[name]]).filter((pair): pair is [string, string] => typeof pair[1] === 'string' && pair[1] !== '')),
  )
  const active = computed(() => Object.keys(filter.value).length)

  function set(name: FilterName, value: string | number | null | undefined): void {
    const query = { ...route.query, [name]: value === null || value === undefined || value === '' ? undefined : String(value) }
    void router.replace({ query })
  }

  const clear = (): void => void router.replace({ query: {} })

  return { filter, active, set, clear }
}
