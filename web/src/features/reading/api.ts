import { useQuery, type QueryClient } from '@tanstack/react-query'
import { useNavigate } from '@tanstack/react-router'
import { useCallback } from 'react'
import { http } from '@/lib/api'
import { toast, toastProblem } from '@/ui'
import type { NextCase, PriorReport, PriorStudy, ReadingItem } from './types'

export const refreshCases = (client: QueryClient) => client.invalidateQueries({ queryKey: ['reading-list'] })

export const usePriors = (studyPk: number | undefined) =>
  useQuery({
    queryKey: ['reading-priors', studyPk],
    queryFn: ({ signal }) => http.get<PriorStudy[]>(`/api/reading-list/studies/${studyPk}/priors`, { signal }),
    enabled: studyPk !== undefined,
    staleTime: 60_000,
  })

export const usePriorReports = (patientPk: number | undefined, exceptReportPk?: number | null) =>
  useQuery({
    queryKey: ['prior-reports', patientPk, exceptReportPk ?? null],
    queryFn: ({ signal }) =>
      http.get<PriorReport[]>(`/api/patients/${patientPk}/reports`, {
        query: { except_report_pk: exceptReportPk },
        signal,
      }),
    enabled: patientPk !== undefined,
    staleTime: 60_000,
  })

/** Every procedure of the study that one report can cover. */
export const proceduresOf = (item: ReadingItem) => [item.requested_procedure_pk, ...item.other_procedure_pks]

export async function claim(item: ReadingItem, takeOverReason?: string): Promise<void> {
  for (const pk of proceduresOf(item)) {
    await http.post(`/api/reading-list/${pk}/claim`, { take_over_reason: takeOverReason ?? null })
  }
}

export async function release(item: ReadingItem): Promise<void> {
  for (const pk of proceduresOf(item)) await http.delete(`/api/reading-list/${pk}/claim`)
}

export const nextCase = (modality: readonly string[]) =>
  http.get<NextCase>('/api/reading-list/next', { query: { modality } })

/** Opens the first unread case that nobody else holds; says so where there is none. */
export function useOpenNext(modality: readonly string[]) {
  const navigate = useNavigate()
  return useCallback(async () => {
    try {
      const { item } = await nextCase(modality)
      if (item) await navigate({ to: `/read/${item.study_pk}` })
      else toast('No unread case waits.')
    } catch (error) {
      toastProblem(error, 'The next case could not be opened')
    }
  }, [modality, navigate])
}
