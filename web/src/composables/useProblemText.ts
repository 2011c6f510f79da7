import { useI18n } from 'vue-i18n'
import type { Problem } from '@/api/problem'

/** A problem as a sentence in the chosen language, and the server's own sentence with the offending name. */
export function useProblemText() {
  const { t, te } = useI18n()

  function headline(problem: Problem): string {
    const key = `problem.${problem.kind}`
    const known = te(key) || te(key, 'en')
    return t(known ? key : 'problem.unexpected', { seconds: problem.retryAfterSeconds ?? 60 })
  }

  /** Which input it is about, in the words of the page, else by its path (a line of a rule text has no other name); the server's own sentence is English. */
  function about(problem: Problem): string {
    const field = problem.field?.split('.').pop()
    if (!field) return ''
    const key = `problemField.${field}`
    return t('problem.about', { field: te(key) || te(key, 'en') ? t(key) : (problem.field ?? '') })
  }

  const detail = (problem: Problem): string => problem.detail

  return { headline, about, detail }
}
