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
      const { patient_pk: patientPk, study_instance_uid: uid } = await found
      if (typeof patientPk === 'number') void getAhead(`/api/patients/${patientPk}/bar`)
      await askAhead(uid)
    },
  },
]
