import { getAhead } from '@/lib/api/http'
import type { Ahead } from '@/lib/ahead'
import { askAhead, comeViewer } from '@/viewer/opening'
import type { StudyDetail } from './types'

export const ahead: Ahead[] = [
  {
    path: /^\/room\/(\d{1,15})\/images$/,
    begin: async ([studyPk = '']) => {
      const found = getAhead<StudyDetail>(`/api/archive/studies/${studyPk}`)
      comeViewer()
      void import('./ImagesScreen').catch(() => undefined)
      const images = askAhead(studyPk)
      const { patient_pk: patientPk } = await found
      if (typeof patientPk === 'number') void getAhead(`/api/patients/${patientPk}/bar`)
      await images
    },
    enter: ([studyPk = '']) => askAhead(studyPk),
  },
]
