import { useI18n } from 'vue-i18n'
import { useDiseases } from '@/stores/diseases'
import { useTitles } from '@/composables/useTitles'

/** What a person reads for a dimension and for its values. */
export function useValueNames() {
  const { t } = useI18n()
  const { diseaseTitle, classShort, code } = useTitles()
  const diseases = useDiseases()

  function label(value: string): string {
    // a class means the same in every disease that has it, or the code is shown
    const titles = new Set(diseases.all.filter((one) => one.schemes[0]?.classes.some((cls) => cls.code === value)).map((one) => classShort(one.code, '', value)))
    return titles.size === 1 ? [...titles][0] : code('value', value)
  }

  function valueName(dimension: string, value: string): string {
    if (dimension === 'label' && value === '') return t('labelState.none')
    if (dimension === 'label_source' && value === '') return t('labelState.none')
    if (value === '') return t('statistics.unknown')
    if (dimension === 'disease') return diseaseTitle(value)
    if (dimension === 'sex') return code('sex', value)
    if (dimension === 'label') return label(value)
    if (dimension === 'label_state') return code('labelState', value)
    if (dimension === 'label_source') return code('labelSource', value)
    if (dimension === 'thickness' && value === '7 mm and more') return t('statistics.thicknessMore')
    return value
  }

  const dimensionName = (dimension: string): string => t(`statistics.dimension.${dimension}`)

  return { valueName, dimensionName }
}
