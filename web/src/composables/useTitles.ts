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
    return found ? sentence(titleOf(found)) : code('value', value)
  }

  /** The text of a code of a closed set, or the code itself with blanks when the server knows a newer one. */
  function code(set: string, value: string | null | undefined): string {
    if (!value) return ''
    const key = `${set}.${value.replaceAll('.', '_')}`
    return te(key) || te(key, 'en') ? t(key) : value.replaceAll(/[_-]/g, ' ')
  }

  /** The same without what stands in brackets: for chips and legends. */
  const classShort = (...of: Parameters<typeof classTitle>): string => withoutBrackets(classTitle(...of))

  return { titleOf, diseaseTitle, classTitle, classShort, code }
}

const sentence = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1)

/** "Malignant (in situ included)" -> ["Malignant", "in situ included"]; both kinds of brackets, at the end only. */
export function partsOf(title: string): [string, string] {
  const found = /^(.+?)\s*[(（]([^()（）]+)[)）]$/.exec(title.trim())
  return found ? [sentence(found[1]), found[2]] : [sentence(title.trim()), '']
}

const withoutBrackets = (title: string): string => partsOf(title)[0]
