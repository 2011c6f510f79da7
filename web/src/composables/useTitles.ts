import { useI18n } from 'vue-i18n'
import { language } from '@/locales'
import { useDiseases } from '@/stores/diseases'

interface Titled {
  title_en: string
  title_zh: string
}

/** Titles in the chosen language: of diseases, label classes, and of codes that have a text in the locale files. */
export function useTitles() {
  const { t, te } = useI18n()
  const diseases = useDiseases()

  const titleOf = (thing: Titled): string => (language.value === 'zh-CN' ? thing.title_zh || thing.title_en : thing.title_en || thing.title_zh)

  function diseaseTitle(code: string | null | undefined): string {
    const found = diseases.find(code)
    return found ? titleOf(found) : (code ?? '')
  }

  function classTitle(disease: string | null | undefined, scheme: string | null | undefined, value: string | null | undefined): string {
    if (!value) return ''
    const schemes = diseases.find(disease)?.schemes ?? []
    const named = diseases.scheme(disease, scheme)
    const found = [...(named ? [named] : []), ...schemes].flatMap((one) => one.classes).find((one) => one.code === value)
    return found ? titleOf(found) : code('value', value)
  }

  /** The text of a code of a closed set, or the code itself with blanks when the server knows a newer one. */
  function code(set: string, value: string | null | undefined): string {
    if (!value) return ''
    const key = `${set}.${value.replaceAll('.', '_')}`
    return te(key) || te(key, 'en') ? t(key) : value.replaceAll(/[_-]/g, ' ')
  }

  return { titleOf, diseaseTitle, classTitle, code }
}
