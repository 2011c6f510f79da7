import { computed, reactive } from 'vue'
import { datasetsApi, type DatasetVersion, type FreezeRequest } from '@/api/datasets'
import { partsOf } from '@/composables/caseQuery'
import { Problem } from '@/api/problem'

export const NAME_RULE = /^[a-z0-9][a-z0-9_-]{0,63}$/

/** What a new version is made of, in the words of the search language (isocenter/search.py). */
export function useDatasetDraft(from: Record<string, string | undefined>, has: readonly string[] = []) {
  const draft = reactive({
    name: '',
    title: '',
    description: '',
    licence: '',
    disease: from.disease ?? '',
    scheme: '',
    labels: from.label ? [from.label] : ([] as string[]),
    states: from.label_state === 'sure' || from.label_state === 'decided' ? [from.label_state] : ['sure', 'decided'],
    sex: from.sex ?? '',
    ageFrom: from.age_gte ? Number(from.age_gte) : (undefined as number | undefined),
    ageTo: from.age_lte ? Number(from.age_lte) : (undefined as number | undefined),
    modality: from.modality ?? '',
    /** Conditions beyond the fields, by attribute: what was chosen among the facets of the catalog. */
    more: grouped(has),
    split: true,
    train: 70,
    val: 15,
    test: 15,
    seed: 0,
    balance: '' as '' | 'under' | 'over' | 'weights',
    folds: undefined as number | undefined,
    includeNull: false,
  })

  const query = computed<FreezeRequest['query']>(() => ({
    terms: {
      ...(draft.labels.length ? { label: draft.labels } : {}),
      ...(draft.sex ? { sex: [draft.sex] } : {}),
      ...(draft.modality ? { Modality: [draft.modality] } : {}),
      ...draft.more,
    },
    ranges: ageRange(draft.ageFrom, draft.ageTo),
    ...(draft.includeNull ? { include_null: true } : {}),
  }))

  /** The same filter for the live count, which is not bound to a dataset's disease and states. */
  const countQuery = computed(() => ({
    terms: { ...query.value.terms, disease: [draft.disease], label_state: draft.states },
    ranges: query.value.ranges,
    include_null: draft.includeNull,
  }))

  const splitSum = computed(() => draft.train + draft.val + draft.test)
  /** The parts that get anything; the server takes no share of zero. */
  const shares = computed(() => (['train', 'val', 'test'] as const).map((part) => ({ part, percent: draft[part] })).filter(({ percent }) => percent > 0))
  const nameWrong = computed(() => draft.name !== '' && !NAME_RULE.test(draft.name))
  const ready = computed(() => NAME_RULE.test(draft.name) && draft.disease !== '' && draft.states.length > 0 && (!draft.split || splitSum.value === 100))

  function freezeRequest(): FreezeRequest {
    return {
      query: query.value,
      label_states: draft.states,
      split: draft.split ? Object.fromEntries(shares.value.map(({ part, percent }) => [part, percent / 100])) : null,
      seed: draft.seed,
      balance: draft.balance || null,
      folds: draft.folds ?? null,
    }
  }

  /** Make the dataset, or take the one that has this name, and freeze its next version. */
  async function freeze(): Promise<DatasetVersion> {
    const { name, title, description, licence, disease, scheme } = draft
    try {
      await datasetsApi.create({ name, title, description, licence, disease, scheme })
    } catch (error) {
      if (!(error instanceof Problem) || error.status !== 409) throw error
      const found = await datasetsApi.read(name)
      if (found.disease !== disease) throw error
    }
    return datasetsApi.freeze(name, freezeRequest())
  }

  return { draft, countQuery, freezeRequest, splitSum, shares, nameWrong, ready, freeze }
}

export type DatasetDraft = ReturnType<typeof useDatasetDraft>

function ageRange(from: number | undefined, to: number | undefined): FreezeRequest['query']['ranges'] {
  if (from === undefined && to === undefined) return {}
  return { age: { ...(from === undefined ? {} : { gte: from }), ...(to === undefined ? {} : { lte: to }) } }
}

function grouped(has: readonly string[]): Record<string, string[]> {
  const found: Record<string, string[]> = {}
  for (const [name, value] of has.map(partsOf)) found[name] = [...(found[name] ?? []), value]
  return found
}
