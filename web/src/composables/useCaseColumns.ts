import { ref, watch } from 'vue'
import { useSession } from '@/stores/session'

export const CASE_COLUMNS = ['picture', 'label', 'sex', 'age', 'modalities', 'formats', 'studies', 'series', 'reports', 'created'] as const
export type CaseColumn = (typeof CASE_COLUMNS)[number]
const USUAL: CaseColumn[] = ['picture', 'label', 'sex', 'age', 'modalities', 'formats', 'studies', 'series', 'reports']

/** Which columns of the case list this account wants to see; this browser remembers it. */
export function useCaseColumns() {
  const key = `isocenter.case-columns.${useSession().account?.name ?? ''}`
  const columns = ref<CaseColumn[]>(stored(key))
  watch(columns, (chosen) => window.localStorage.setItem(key, JSON.stringify(chosen)), { deep: true })
  return { columns, reset: () => void (columns.value = [...USUAL]) }
}

function stored(key: string): CaseColumn[] {
  try {
    const found: unknown = JSON.parse(window.localStorage.getItem(key) ?? '')
    if (Array.isArray(found)) return CASE_COLUMNS.filter((one) => found.includes(one))
  } catch {
    // nothing kept, or not by us
  }
  return [...USUAL]
}
