import { useQuery } from '@tanstack/react-query'
import { http } from '@/lib/api'
import type { KeyImage } from './types'

type Attribute = { Value?: unknown[] }
type DicomJson = Record<string, Attribute | undefined>

export interface SeriesInfo {
  series_instance_uid: string
  series_number: number | null
  series_description: string
  modality: string
  number_of_series_related_instances: number
}

const text = (set: DicomJson, tag: string) => String(set[tag]?.Value?.[0] ?? '')

/** A series as QIDO-RS answers it (PS3.18 10.6). */
export function seriesOf(set: DicomJson): SeriesInfo {
  const number = Number(text(set, '00200011'))
  return {
    series_instance_uid: text(set, '0020000E'),
    series_number: set['00200011']?.Value?.length && Number.isFinite(number) ? number : null,
    series_description: text(set, '0008103E'),
    modality: text(set, '00080060'),
    number_of_series_related_instances: Number(text(set, '00201209')) || 0,
  }
}

/** The series of a study by number, those with pictures first; documents and markings have no thumbnail. */
export function useSeries(studyInstanceUid: string | undefined) {
  return useQuery({
    queryKey: ['reading-series', studyInstanceUid],
    queryFn: async ({ signal }) => {
      const found = await http.get<DicomJson[]>(`/dicom-web/studies/${studyInstanceUid}/series`, { signal })
      return found
        .map(seriesOf)
        .sort((one, other) => (one.series_number ?? Infinity) - (other.series_number ?? Infinity))
    },
    enabled: studyInstanceUid !== undefined,
  })
}

export const thumbnail = (studyUid: string, seriesUid: string, size = 160) =>
  `/dicom-web/studies/${studyUid}/series/${seriesUid}/thumbnail?viewport=${size},${size}`

export const framePicture = (studyUid: string, seriesUid: string, instanceUid: string, frame: number, window: KeyImage['window'] = null, size = 200) =>
  `/dicom-web/studies/${studyUid}/series/${seriesUid}/instances/${instanceUid}/frames/${frame}/rendered?viewport=${size},${size}&annotation=orientation` + (window ? `&window=${window.window_center},${window.window_width},${window.voi_lut_function?.toLowerCase() ?? 'linear'}` : '')
