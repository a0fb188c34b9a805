/** Stands in for the XML writer of vtk.js, which needs Node built-ins and which the viewer never calls. */
export const create = () => {
  throw new Error('XML writing is not part of the web client')
}
export default { create }
