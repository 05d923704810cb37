import type { Conditions } from "./bytes-answer.ts";
import type { RequestPath } from "./request-path.ts";

/** How the client reached the content when not by a path: decides where the links on the pages made here lead. */
export interface Site {
  /** `//example.com`, with its port: other CIDs are shown there. */
  readonly gatewayUrl: string;
  /** The host itself is the content root (DNSLink); no gateway is assumed beside it. */
  readonly isDnslink: boolean;
}

export interface ContentRequest extends Conditions {
  /**
   * `namespace`, `root` and `segments` are the content path, whoever put it together; `encoded` is the path in the client's
   * address bar, which on a subdomain does not contain the root.
   */
  readonly path: RequestPath;
  readonly accept: string | undefined;
  /** The client wants the network to be asked before a stored record is used. */
  readonly askFirst: boolean;
  /** Absent on a path gateway. */
  readonly site?: Site;
}
