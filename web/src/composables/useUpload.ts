import { computed, onBeforeUnmount, ref, shallowRef } from 'vue'
import { currentCsrfToken } from '@/api/http'
import { importsApi } from '@/api/imports'
import { asProblem, Problem, type Problem as ProblemType } from '@/api/problem'

export interface UploadFile {
  path: string
  file: File
}

const PARALLEL = 3
const ATTEMPTS = 4

/** Sends files to one upload, three at a time, each tried again when the network fails; sizes in bytes. */
export function useUpload() {
  const key = ref('')
  const files = shallowRef<UploadFile[]>([])
  const sentBytes = ref(0)
  const sentFiles = ref(0)
  const busy = ref(false)
  const problem = shallowRef<ProblemType | null>(null)
  const totalBytes = computed(() => files.value.reduce((sum, one) => sum + one.file.size, 0))
  const complete = computed(() => files.value.length > 0 && !busy.value && sentFiles.value === files.value.length)
  const running = new Set<XMLHttpRequest>()
  const done = new Set<string>()
  let stopped = false

  function put(one: UploadFile): Promise<void> {
    return new Promise((resolve, reject) => {
      const request = new XMLHttpRequest()
      let counted = 0
      running.add(request)
      request.open('PUT', importsApi.uploadUrl(key.value, one.path))
      request.setRequestHeader('X-Isocenter-CSRF', currentCsrfToken())
      request.setRequestHeader('Content-Type', 'application/octet-stream')
      request.upload.onprogress = (event) => {
        sentBytes.value += event.loaded - counted
        counted = event.loaded
      }
      request.onloadend = () => {
        running.delete(request)
        const good = request.status >= 200 && request.status < 300
        sentBytes.value += (good ? one.file.size : 0) - counted
        if (good) resolve()
        else reject(problemOfRequest(request))
      }
      request.send(one.file)
    })
  }

  async function putTrying(one: UploadFile): Promise<void> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await put(one)
      } catch (error) {
        const status = (error as Problem).status
        if (stopped || attempt === ATTEMPTS || (status !== 0 && status < 500)) throw error
        await new Promise((resolve) => setTimeout(resolve, 500 * 2 ** attempt))
      }
    }
  }

  /** Add files and send what is not there yet; also the way to try again after a failure. */
  async function send(more: UploadFile[] = []): Promise<void> {
    const known = new Set(files.value.map((one) => one.path))
    files.value = [...files.value, ...more.filter((one) => !known.has(one.path))]
    if (busy.value) return
    busy.value = true
    stopped = false
    problem.value = null
    try {
      if (!key.value) key.value = (await importsApi.newUpload()).key
      await Promise.all(Array.from({ length: PARALLEL }, drain))
    } catch (error) {
      problem.value = asProblem(error)
    } finally {
      busy.value = false
    }
  }

  const taken = new Set<string>()
  async function drain(): Promise<void> {
    for (let one = nextFile(); one && !stopped; one = nextFile()) {
      taken.add(one.path)
      try {
        await putTrying(one)
        done.add(one.path)
        sentFiles.value = done.size
      } finally {
        taken.delete(one.path)
      }
    }
  }
  const nextFile = (): UploadFile | undefined => files.value.find((one) => !done.has(one.path) && !taken.has(one.path))

  function stop(): void {
    stopped = true
    for (const request of running) request.abort()
  }

  onBeforeUnmount(stop)
  return { key, files, sentBytes, sentFiles, totalBytes, busy, complete, problem, send, stop }
}

function problemOfRequest(request: XMLHttpRequest): Problem {
  if (request.status === 0) return new Problem({ status: 0, kind: 'no-connection', detail: '' })
  try {
    const document = JSON.parse(request.responseText) as { type?: string; detail?: string }
    return new Problem({ status: request.status, kind: document.type?.replace('/problems/', '') ?? 'unexpected', detail: document.detail ?? '' })
  } catch {
    return new Problem({ status: request.status, kind: 'unexpected', detail: '' })
  }
}
