import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { http, type Answer, type Sent } from '@/lib/api'
import { toastProblem } from '@/ui'
import type { StackViewport } from './engine'
import { functionOf } from './pixels/plain'
import { storedWindow } from './pixels/storedWindow'
import { greysOn, tableOn } from './pixels/voiTable'
import type { Frame } from './stacks'

type KeyImage = Answer<'/api/studies/{study_pk}/key-images', 'get'>[number]

/** A window in stored values, and by which function it is one. */
export interface SeenBy {
  center: number
  width: number
  voiFunction: 'LINEAR' | 'SIGMOID'
}

interface Marked {
  frame: Frame
  /** By what it is seen where it is marked; null: as the picture itself says. */
  window: SeenBy | null
}

/** By what a viewport shows a grey picture: in the report it is shown so too. */
export function windowOn(viewport: StackViewport, frame: Frame): SeenBy | null {
  const { voiRange } = viewport.getProperties()
  if (!voiRange || !frame.grey || frame.subtracted || tableOn(viewport) || greysOn(viewport)) return null
  const { center, width } = storedWindow(frame.metadata, voiRange)
  return { center, width, voiFunction: functionOf(frame.metadata) === 'SIGMOID' ? 'SIGMOID' : 'LINEAR' }
}

/** The key images of a study; others read the same query: `['key-images', study_pk]`. */
export function useKeyImages(study_pk: number, canMark: boolean, changed?: () => void) {
  const client = useQueryClient()
  const queryKey = ['key-images', study_pk]
  const list = useQuery({
    queryKey,
    queryFn: ({ signal }) => http.get<KeyImage[]>(`/api/studies/${study_pk}/key-images`, { signal }),
    enabled: canMark,
  })
  const marked = list.data ?? []
  const find = (sopInstanceUid: string, frameNumber: number) =>
    marked.find((one) => one.sop_instance_uid === sopInstanceUid && one.frame_number === frameNumber)
  const toggle = useMutation({
    mutationFn: async ({ frame, window }: Marked) => {
      const known = find(frame.sopInstanceUid, frame.frameNumber)
      if (known) return http.delete(`/api/key-images/${known.key_image_pk}`)
      const body: Sent<'/api/key-images', 'post'> = {
        study_pk,
        series_instance_uid: frame.seriesInstanceUid,
        sop_instance_uid: frame.sopInstanceUid,
        frame_number: frame.frameNumber,
        window_center: window?.center ?? null,
        window_width: window?.width ?? null,
        voi_lut_function: window?.voiFunction ?? 'LINEAR',
      }
      return http.post<unknown>('/api/key-images', body)
    },
    onSuccess: async () => {
      await client.invalidateQueries({ queryKey })
      changed?.()
    },
    onError: (error) => toastProblem(error, 'The key image was not changed'),
  })
  return {
    marked,
    isKey: (sopInstanceUid: string, frameNumber: number) => find(sopInstanceUid, frameNumber) !== undefined,
    toggle: (frame: Frame, window: SeenBy | null = null) => toggle.mutate({ frame, window }),
  }
}
