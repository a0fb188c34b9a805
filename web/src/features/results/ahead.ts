import { getAhead } from '@/lib/api/http'
import type { Ahead } from '@/lib/ahead'
import { askAhead, comeViewer } from '@/viewer/opening'
import type { ResultImages } from './types'

export const ahead: Ahead[] = [
  {
    path: /^\/results\/(\d{1,15})\/images$/,
    begin: async ([studyPk = '']) => {
      const found = getAhead<ResultImages>(`/api/results/studies/${studyPk}`)
      comeViewer()
      void import('./ImagesScreen').catch(() => undefined)
      await askAhead((await found).study.study_instance_uid)
    },
  },
]
