import { onBeforeUnmount, shallowRef } from 'vue'
import { importsApi, type Import } from '@/api/imports'
import { asProblem, type Problem } from '@/api/problem'

export const isFinal = (state: string): boolean => ['finished', 'failed', 'cancelled', 'withdrawn'].includes(state)
const POLL_MS = 3000

/** An import as it goes: server-sent events, and asking every few seconds while they do not come through. */
export function useImportProgress(key: () => string) {
  const current = shallowRef<Import>()
  const problem = shallowRef<Problem | null>(null)
  let events: EventSource | null = null
  let timer: ReturnType<typeof setTimeout> | undefined

  function stop(): void {
    events?.close()
    events = null
    clearTimeout(timer)
  }

  async function read(): Promise<void> {
    try {
      current.value = await importsApi.read(key())
      problem.value = null
    } catch (error) {
      problem.value = asProblem(error)
    }
  }

  function listen(): void {
    if (!current.value || isFinal(current.value.state)) return
    events = new EventSource(importsApi.eventsUrl(key()))
    events.addEventListener('progress', (event) => {
      current.value = JSON.parse((event as MessageEvent<string>).data) as Import
      if (isFinal(current.value.state)) {
        stop()
        void read()
      }
    })
    events.addEventListener('error', () => {
      stop()
      timer = setTimeout(() => void start(), POLL_MS)
    })
  }

  async function start(): Promise<void> {
    stop()
    await read()
    listen()
  }

  onBeforeUnmount(stop)
  return { current, problem, start }
}
