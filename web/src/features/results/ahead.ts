import { getAhead } from '@/lib/api/http'
import type { Ahead } from '@/lib/ahead'
import { askAhead, comeViewer } from '@/viewer/opening'

export const ahead: Ahead[] = [
  {
    path: /^\/results\/(\d{1,15})\/images$/,
    begin: async ([studyPk = '']) => {
      void getAhead(`/api/results/studies/${studyPk}`)
      comeViewer()
      void import('./ImagesScreen').catch(() => undefined)
      await askAhead(studyPk)
    },
    enter: ([studyPk = '']) => askAhead(studyPk),
  },
]
