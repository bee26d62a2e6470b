/** A thing in the kernel or on disk, made for a while and to be taken away again. */
export interface Resource {
  remove(): void | Promise<void>;
}
