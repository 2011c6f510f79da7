import { computed, onBeforeUnmount, ref, shallowRef, watch } from 'vue'
import { currentCsrfToken, signedOut } from '@/api/http'
import { importsApi } from '@/api/imports'
import { asProblem, Problem, type Problem as ProblemType } from '@/api/problem'
import { useSession } from '@/stores/session'

export interface UploadFile {
  path: string
  file: File
}

const PARALLEL = 3
const ATTEMPTS = 6
const PART_BYTES = 16 * 1024 * 1024

export interface Sending {
  path: string
  sent: number
  size: number
}

/**
 * Sends files to one upload, three at a time, large ones in parts; sizes in bytes. What has arrived is not sent again: a lost network is waited for,
 * an ended session too (the person signs in again over the page), and a part that came half is gone on with where the server says.
 */
export function useUpload() {
  const session = useSession()
  const key = ref('')
  const files = shallowRef<UploadFile[]>([])
  const sending = ref<Sending[]>([])
  const doneBytes = ref(0)
  const sentFiles = ref(0)
  const busy = ref(false)
  /** Waits until the network is there again. */
  const offline = ref(false)
  const problem = shallowRef<ProblemType | null>(null)
  const sentBytes = computed(() => doneBytes.value + sending.value.reduce((sum, one) => sum + one.sent, 0))
  const totalBytes = computed(() => files.value.reduce((sum, one) => sum + one.file.size, 0))
  const complete = computed(() => files.value.length > 0 && !busy.value && sentFiles.value === files.value.length)
  const running = new Set<XMLHttpRequest>()
  const done = new Set<string>()
  let stopped = false

  /** One part from `first` on; the whole file when it is small. */
  function put(one: UploadFile, first: number, at: Sending): Promise<void> {
    return new Promise((resolve, reject) => {
      const request = new XMLHttpRequest()
      const end = Math.min(first + PART_BYTES, one.file.size)
      running.add(request)
      request.open('PUT', importsApi.uploadUrl(key.value, one.path))
      request.setRequestHeader('X-Isocenter-CSRF', currentCsrfToken())
      request.setRequestHeader('Content-Type', 'application/octet-stream')
      if (one.file.size > PART_BYTES) request.setRequestHeader('Content-Range', `bytes ${first}-${end - 1}/${one.file.size}`)
      request.upload.onprogress = (event) => (at.sent = first + event.loaded)
      request.onloadend = () => {
        running.delete(request)
        const good = request.status >= 200 && request.status < 300
        at.sent = good ? end : first
        if (good) resolve()
        else reject(problemOfRequest(request))
      }
      request.send(one.file.slice(first, end))
    })
  }

  async function putTrying(one: UploadFile, at: Sending): Promise<void> {
    let attempt = 0
    for (let first = 0; first < one.file.size || first === 0; ) {
      try {
        await put(one, first, at)
        first += PART_BYTES
        attempt = 0
      } catch (error) {
        const problem = error as Problem & { have?: number }
        attempt += 1
        if (stopped) throw error
        if (problem.status === 409 && problem.have !== undefined && attempt < ATTEMPTS) first = problem.have
        else if (problem.status === 401 && attempt < ATTEMPTS) await signedInAgain()
        else if (problem.status === 0 && !navigator.onLine) {
          await networkAgain()
          attempt = 0
        } else if (attempt < ATTEMPTS && (problem.status === 0 || problem.status >= 500)) await new Promise((resolve) => setTimeout(resolve, 500 * 2 ** attempt))
        else throw error
      }
    }
  }

  async function begin(): Promise<void> {
    try {
      key.value = (await importsApi.newUpload()).key
    } catch (error) {
      const { status } = asProblem(error)
      if (status === 0 && !navigator.onLine) await networkAgain()
      else if (status === 401) await signedInAgain()
      else throw error
    }
  }

  function signedInAgain(): Promise<void> {
    signedOut()
    return new Promise((resolve) => {
      const end = watch(() => session.ended, (ended) => {
        if (ended) return
        end()
        resolve()
      })
    })
  }

  function networkAgain(): Promise<void> {
    offline.value = true
    return new Promise((resolve) => {
      window.addEventListener('online', () => {
        offline.value = false
        resolve()
      }, { once: true })
    })
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
      while (!key.value) await begin()
      const ended = await Promise.allSettled(Array.from({ length: PARALLEL }, drain))
      const failed = ended.find((one) => one.status === 'rejected')
      if (failed && !stopped) throw failed.reason
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
      sending.value.push({ path: one.path, sent: 0, size: one.file.size })
      const at = sending.value[sending.value.length - 1]
      try {
        await putTrying(one, at)
        done.add(one.path)
        doneBytes.value += one.file.size
        sentFiles.value = done.size
      } finally {
        taken.delete(one.path)
        sending.value = sending.value.filter((other) => other.path !== one.path)
      }
    }
  }
  const nextFile = (): UploadFile | undefined => files.value.find((one) => !done.has(one.path) && !taken.has(one.path))

  function stop(): void {
    stopped = true
    for (const request of running) request.abort()
  }

  onBeforeUnmount(stop)
  return { key, files, sending, offline, sentBytes, sentFiles, totalBytes, busy, complete, problem, send, stop }
}

function problemOfRequest(request: XMLHttpRequest): Problem {
  if (request.status === 0) return new Problem({ status: 0, kind: 'no-connection', detail: '' })
  try {
    const document = JSON.parse(request.responseText) as { type?: string; detail?: string; have?: number }
    return Object.assign(new Problem({ status: request.status, kind: document.type?.replace('/problems/', '') ?? 'unexpected', detail: document.detail ?? '' }), { have: document.have })
  } catch {
    return new Problem({ status: request.status, kind: 'unexpected', detail: '' })
  }
}
