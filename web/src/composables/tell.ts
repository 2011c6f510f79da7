/** Short notices in the corner: what was done, or why not. Callable outside of components. */
import { ElMessage } from 'element-plus/es/components/message/index'
import 'element-plus/theme-chalk/el-message.css'
import { h } from 'vue'
import { asProblem } from '@/api/problem'
import { i18n, language } from '@/locales'

// the message type of an i18n without static messages is too deep for the compiler
const { t, te } = i18n.global as unknown as { t: (key: string, named?: Record<string, unknown>) => string; te: (key: string) => boolean }

export const tell = {
  done(text: string): void {
    ElMessage({ type: 'success', message: text, duration: 3000 })
  },
  /** What was done, with the way back for ten seconds. */
  undoable(text: string, undo: () => Promise<unknown>): void {
    const back = async (): Promise<void> => {
      shown.close()
      try {
        await undo()
        tell.done(t('catalog.undone'))
      } catch (error) {
        tell.problem(error)
      }
    }
    const message = () => h('span', { class: 'undoable' }, [text, ' ', h('button', { type: 'button', class: 'plain-button', onClick: back }, t('catalog.undo'))])
    const shown = ElMessage({ type: 'success', message, duration: 10_000, showClose: true })
  },
  /** Something on a server needs somebody. */
  alert(text: string): void {
    ElMessage({ type: 'warning', message: text, duration: 10_000, showClose: true })
  },
  problem(error: unknown): void {
    const problem = asProblem(error)
    const key = `problem.${problem.kind}`
    const headline = t(te(key) ? key : 'problem.unexpected', { seconds: problem.retryAfterSeconds ?? 60 })
    ElMessage({ type: 'error', message: problem.detail && language.value === 'en' ? `${headline} ${problem.detail}` : headline, duration: 8000, showClose: true })
  },
}
