import { defineStore } from 'pinia'
import { computed, ref } from 'vue'
import { setCsrfToken } from '@/api/http'
import { Problem } from '@/api/problem'
import { sessionApi, type Me, type Permission, type Session } from '@/api/session'
import { hasChosenLanguage, setLanguage } from '@/locales'

/** Set while this browser has signed in: without it nobody is, and the server need not be asked (nor answer 401). */
const HINT = 'isocenter.signed-in'

/** Who is signed in and what they may do. */
export const useSession = defineStore('session', () => {
  const account = ref<Me | null>(null)
  const permissions = ref<Permission[]>([])
  const known = ref(false)
  let reading: Promise<void> | null = null
  /** The cookie is good no longer, but the page holds work: the person signs in again over it. */
  const ended = ref(false)
  const signedIn = computed(() => account.value !== null)

  async function accept(session: Session): Promise<void> {
    account.value = session.account
    permissions.value = session.permissions
    setCsrfToken(session.csrf_token)
    known.value = true
    ended.value = false
    window.localStorage.setItem(HINT, '1')
    if (session.account.language && !hasChosenLanguage()) await setLanguage(session.account.language)
  }

  function forget(): void {
    account.value = null
    permissions.value = []
    setCsrfToken('')
    known.value = true
    ended.value = false
    window.localStorage.removeItem(HINT)
  }

  /** Ask the server once whether the cookie is good; who asks meanwhile waits for the same answer. */
  function read(): Promise<void> {
    if (known.value) return Promise.resolve()
    reading ??= ask().finally(() => {
      reading = null
    })
    return reading
  }

  async function ask(): Promise<void> {
    if (!window.localStorage.getItem(HINT)) return forget()
    try {
      const session = await sessionApi.read()
      if (session) await accept(session)
      else forget()
    } catch (error) {
      if (error instanceof Problem && error.status === 401) forget()
      else throw error
    }
  }

  async function signIn(name: string, password: string): Promise<void> {
    await accept(await sessionApi.signIn(name, password))
  }

  async function signOut(): Promise<void> {
    await sessionApi.signOut()
    forget()
  }

  const can = (permission: Permission): boolean => permissions.value.includes(permission)

  return { account, permissions, known, ended, signedIn, accept, forget, read, signIn, signOut, can }
})
