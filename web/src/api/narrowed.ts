/** A generated type whose named fields the pages know more of than the OpenAPI document says: closed words, JSON columns. */
export type Narrowed<T, Known> = Omit<T, keyof Known> & Known
