import { ref, shallowRef, type Ref, type ShallowRef } from 'vue'
import { asProblem, type Problem } from '@/api/problem'

export interface Async<T, A extends unknown[]> {
  data: ShallowRef<T | undefined>
  problem: ShallowRef<Problem | null>
  busy: Ref<boolean>
  /** The value, or undefined when it failed; then `problem` says why. */
  run: (...args: A) => Promise<T | undefined>
}

/** A request with what a page needs to show of it. An answer that a later call overtook is dropped. */
export function useAsync<T, A extends unknown[]>(ask: (...args: A) => Promise<T>): Async<T, A> {
  const data = shallowRef<T>()
  const problem = shallowRef<Problem | null>(null)
  const busy = ref(false)
  let latest = 0

  async function run(...args: A): Promise<T | undefined> {
    const mine = ++latest
    busy.value = true
    problem.value = null
    try {
      const value = await ask(...args)
      if (mine === latest) data.value = value
      return value
    } catch (error) {
      if (mine === latest) problem.value = asProblem(error)
      return undefined
    } finally {
      if (mine === latest) busy.value = false
    }
  }

  return { data, problem, busy, run }
}
