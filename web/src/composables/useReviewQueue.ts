import { onBeforeUnmount, ref, shallowRef } from 'vue'
import { asProblem, type Problem } from '@/api/problem'
import { cameTooLate, reviewsApi, type Review, type ReviewFilter } from '@/api/reviews'
import { useReviewCount } from '@/stores/reviewCount'

const LOOK_AHEAD = 50

/** One question at a time: the next one, a decision, undo, skip. The lease of an undecided question is given back. */
export function useReviewQueue(filter: () => ReviewFilter) {
  const count = useReviewCount()
  const current = shallowRef<Review | null>(null)
  const problem = shallowRef<Problem | null>(null)
  const busy = ref(false)
  const asked = ref(false)
  const decided = ref<string[]>([])
  const skipped = new Set<string>()

  let running: Promise<void> = Promise.resolve()

  function guarded(act: () => Promise<void>): Promise<void> {
    if (!busy.value) running = acted(act)
    return running
  }

  async function acted(act: () => Promise<void>): Promise<void> {
    busy.value = true
    problem.value = null
    try {
      await act()
    } catch (error) {
      problem.value = asProblem(error)
    } finally {
      busy.value = false
      asked.value = true
      count.refresh().catch(() => undefined)
    }
  }

  /** The server's next one; when that was skipped, the first of the list that was not (which comes without its evidence). */
  async function findNext(offered?: Review | null): Promise<void> {
    const found = offered ?? (await reviewsApi.next(filter()))
    if (!found || !skipped.has(found.key)) {
      current.value = found
      return
    }
    const page = await reviewsApi.list({ ...filter(), state: 'open', limit: LOOK_AHEAD })
    const other = page.items.find((one) => !skipped.has(one.key))
    current.value = other ? await reviewsApi.read(other.key) : null
  }

  const start = (key?: string): Promise<void> => guarded(() => (key ? reviewsApi.read(key).then((one) => void (current.value = one)) : findNext()))

  function decide(value: string, note: string): Promise<void> {
    return guarded(async () => {
      const review = current.value
      if (!review) return
      try {
        const answer = await reviewsApi.decide(review, value, note)
        decided.value = [...decided.value, review.key]
        await findNext(answer.next && matches(answer.next) ? answer.next : null)
      } catch (error) {
        // somebody else was quicker: say so, and show what is open now
        if (cameTooLate(asProblem(error))) await findNext().catch(() => undefined)
        throw error
      }
    })
  }

  function matches(review: Review): boolean {
    const { kind, disease } = filter()
    return (!kind || review.kind === kind) && (!disease || review.disease === disease)
  }

  /** Waits for what is under way: whoever decides and at once takes it back must not lose the second key. */
  async function undo(): Promise<void> {
    while (busy.value) await running
    return guarded(async () => {
      const key = decided.value.at(-1)
      if (!key) return
      const review = await reviewsApi.undo(key)
      decided.value = decided.value.slice(0, -1)
      giveBack()
      current.value = review
    })
  }

  function skip(): Promise<void> {
    return guarded(async () => {
      if (!current.value) return
      skipped.add(current.value.key)
      await reviewsApi.release(current.value.key)
      await findNext()
    })
  }

  function giveBack(): void {
    if (current.value) reviewsApi.release(current.value.key).catch(() => undefined)
  }

  /** Ask the skipped ones too. */
  function again(): Promise<void> {
    skipped.clear()
    return start()
  }

  onBeforeUnmount(giveBack)
  return { current, problem, busy, asked, decided, skipped, start, decide, undo, skip, again, giveBack }
}
