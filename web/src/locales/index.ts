/** vue-i18n with the two languages, each loaded when it is first chosen. */
import { createI18n } from 'vue-i18n'
import { ref, shallowRef } from 'vue'

export const LANGUAGES = ['zh-CN', 'en'] as const
export type Language = (typeof LANGUAGES)[number]

const REMEMBERED = 'isocenter.language'
const loaders = { 'zh-CN': () => import('./zh-CN'), en: () => import('./en') }
const elementLoaders = {
  'zh-CN': () => import('element-plus/es/locale/lang/zh-cn'),
  en: () => import('element-plus/es/locale/lang/en'),
}

export const i18n = createI18n({ legacy: false, locale: 'en', fallbackLocale: 'en', missingWarn: false, fallbackWarn: false, messages: {} as Record<string, never> })
export const language = ref<Language>('en')
export const elementLocale = shallowRef<Awaited<ReturnType<(typeof elementLoaders)['en']>>['default']>()

const isLanguage = (text: string | null | undefined): text is Language => LANGUAGES.includes(text as Language)

/** What the person chose here before, else what the browser prefers. */
export function preferredLanguage(): Language {
  const remembered = window.localStorage.getItem(REMEMBERED)
  if (isLanguage(remembered)) return remembered
  return navigator.languages.some((one) => one.toLowerCase().startsWith('zh')) && !navigator.language.toLowerCase().startsWith('en') ? 'zh-CN' : 'en'
}

export const hasChosenLanguage = (): boolean => isLanguage(window.localStorage.getItem(REMEMBERED))

let turn: Promise<void> = Promise.resolve()

/** Switch every text; `remember` when the person chose it. Switches take turns: the one asked for last is the one that stays. */
export function setLanguage(chosen: string, remember = false): Promise<void> {
  turn = turn.catch(() => undefined).then(() => change(chosen, remember))
  return turn
}

async function change(chosen: string, remember: boolean): Promise<void> {
  const next: Language = isLanguage(chosen) ? chosen : chosen.startsWith('zh') ? 'zh-CN' : 'en'
  const [messages, element] = await Promise.all([loaders[next](), elementLoaders[next]()])
  i18n.global.setLocaleMessage(next, messages.default as never)
  ;(i18n.global.locale as unknown as { value: string }).value = next
  elementLocale.value = element.default
  language.value = next
  document.documentElement.lang = next
  if (remember) window.localStorage.setItem(REMEMBERED, next)
}
