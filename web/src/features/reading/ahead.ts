import { getAhead } from '@/lib/api/http'
import type { Ahead } from '@/lib/ahead'
import { askAhead, comeViewer } from '@/viewer/opening'

/** One case, and the window of another screen. */
export const ahead: Ahead[] = [
  {
    path: /^\/read\/(\d{1,15})$/,
    begin: async ([studyPk = '']) => {
      void getAhead(`/api/reading-list/studies/${studyPk}`)
      void getAhead(`/api/reading-list/studies/${studyPk}/priors`)
      void getAhead('/api/hanging-protocols')
      comeViewer()
      void import('./ReadScreen').catch(() => undefined)
      await askAhead(studyPk)
    },
    enter: ([studyPk = '']) => askAhead(studyPk),
  },
  { path: /^\/read\/window\//, begin: () => Promise.resolve(comeViewer()) },
]
