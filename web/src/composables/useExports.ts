import { computed, onBeforeUnmount, shallowRef } from 'vue'
import { exportsApi, type ExportJob, type ExportOptions } from '@/api/exports'
import { asProblem, type Problem } from '@/api/problem'

const POLL_MS = 1500
export const isUnderWay = (job: ExportJob): boolean => job.state === 'open' || job.state === 'running'

/** The exports of a version, newest first; asked for again while one is under way. */
export function useExports(name: string, number: number) {
  const jobs = shallowRef<ExportJob[]>()
  const problem = shallowRef<Problem | null>(null)
  const running = computed(() => (jobs.value ?? []).some(isUnderWay))
  let timer: ReturnType<typeof setTimeout> | undefined
  let gone = false

  async function read(): Promise<void> {
    clearTimeout(timer)
    try {
      jobs.value = [...(await exportsApi.list(name, number)).items].reverse()
      problem.value = null
    } catch (error) {
      problem.value = asProblem(error)
    }
    if (running.value && !gone) timer = setTimeout(() => void read(), POLL_MS)
  }

  async function ask(format: string, options: ExportOptions): Promise<void> {
    await exportsApi.ask(name, number, format, options)
    await read()
  }

  /** Stop one that is under way, or forget one that is over. */
  async function end(job: ExportJob): Promise<void> {
    if (isUnderWay(job)) await exportsApi.cancel(name, number, job.key)
    else await exportsApi.remove(name, number, job.key)
    await read()
  }

  onBeforeUnmount(() => {
    gone = true
    clearTimeout(timer)
  })
  return { jobs, problem, read, ask, end }
}

/** `--option NAME=VALUE` for each, as `isc` reads them (JSON where it is JSON), quoted for a shell. */
export function optionWords(options: ExportOptions): string {
  const plain = /^[\w.,=[\]-]+$/
  return Object.entries(options)
    .map(([name, value]) => `${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`)
    .map((word) => ` --option ${plain.test(word) && !word.includes('[') ? word : `'${word}'`}`)
    .join('')
}
