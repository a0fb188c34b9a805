import { ActionIcon, Tooltip } from '@mantine/core'
import { IconX } from '@tabler/icons-react'
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { http } from '@/lib/api'
import { toastProblem } from '@/ui'
import { Picture } from './parts'
import classes from './report.module.css'
import { framePicture } from './series'
import type { KeyImage } from './types'

/** The images marked as telling. They go out with the report that is signed next, and stay in it: those have no mark to take off. */
export function KeyImages({ studyPk, mayMark, signedAt }: { studyPk: number; mayMark: boolean; signedAt: string | null }) {
  const client = useQueryClient()
  const queryKey = ['key-images', studyPk]
  const images = useQuery({
    queryKey,
    queryFn: ({ signal }) => http.get<KeyImage[]>(`/api/studies/${studyPk}/key-images`, { signal }),
  })
  const unmark = useMutation({
    mutationFn: (image: KeyImage) => http.delete(`/api/key-images/${image.key_image_pk}`),
    onError: (error) => toastProblem(error, 'The mark stays'),
    onSettled: () => client.invalidateQueries({ queryKey }),
  })
  return (
    <section className={classes['keyImages']} aria-label="Key images">
      <h3>
        Key images <span>{images.data?.length ? images.data.length : ''}</span>
      </h3>
      {images.error ? (
        <p className={classes['quiet']}>The marks could not be fetched; they are kept.</p>
      ) : images.data?.length ? (
        <ul>
          {images.data.map((image) => (
            <li key={image.key_image_pk}>
              <Picture
                src={framePicture(image.study_instance_uid, image.series_instance_uid, image.sop_instance_uid, image.frame_number, image.window)}
                alt={image.note ?? 'Key image'}
              />
              {image.note ? <span>{image.note}</span> : null}
              {mayMark && !(signedAt && Date.parse(image.marked_at) <= Date.parse(signedAt)) ? (
                <Tooltip label="Take the mark off">
                  <ActionIcon
                    className={classes['unmark']}
                    variant="filled"
                    aria-label="Take the mark off"
                    loading={unmark.isPending && unmark.variables.key_image_pk === image.key_image_pk}
                    onClick={() => unmark.mutate(image)}
                  >
                    <IconX size={14} />
                  </ActionIcon>
                </Tooltip>
              ) : null}
            </li>
          ))}
        </ul>
      ) : (
        <p className={classes['quiet']}>{signedAt ? 'None was marked.' : 'None yet. Mark an image in the viewer and it goes out with the report.'}</p>
      )}
    </section>
  )
}
