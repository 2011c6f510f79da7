import { ref, shallowRef } from 'vue'
import type { Page } from '@/api/http'
import { asProblem, type Problem } from '@/api/problem'

/** A keyset-paged list that grows by "load more". A restart drops answers that are still under way. */
export function usePages<T>(ask: (cursor: string | null) => Promise<Page<T>>) {
  const items = shallowRef<T[]>([])
  const next = ref<string | null>(null)
  const busy = ref(false)
  const loaded = ref(false)
  const problem = shallowRef<Problem | null>(null)
  let generation = 0

  async function load(cursor: string | null): Promise<void> {
    const mine = generation
    busy.value = true
    problem.value = null
    try {
      const page = await ask(cursor)
      if (mine !== generation) return
      items.value = cursor ? [...items.value, ...page.items] : page.items
      next.value = page.next
      loaded.value = true
    } catch (error) {
      if (mine === generation) problem.value = asProblem(error)
    } finally {
      if (mine === generation) busy.value = false
    }
  }

  function restart(): Promise<void> {
    generation += 1
    return load(null)
  }

  async function more(): Promise<void> {
    if (next.value && !busy.value) await load(next.value)
  }

  return { items, next, busy, loaded, problem, restart, more }
}
