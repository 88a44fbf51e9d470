// Markdown to HTML that cannot do anything: no HTML from the text, no images, and once more through a sanitiser. Code blocks get
// a frame that the page hangs a button on.
import DOMPurify from "dompurify";
import MarkdownIt from "markdown-it";

const markdown = new MarkdownIt({ html: false, linkify: true, breaks: false });
markdown.disable("image");
// Bare host names are no links: a file name such as main.py would become one.
markdown.linkify.set({ fuzzyLink: false, fuzzyEmail: false, fuzzyIP: false });
/** What the chat follows: the web, our documents, files, and paths of the repository. Anything else stays the text it is. */
const FOLLOWED = /^(?:https?:|missions:|file:|[^:]*$)/i;
markdown.validateLink = (link) => FOLLOWED.test(link.trim());

const ALLOWED = {
  ALLOWED_TAGS: ["p", "br", "hr", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "li", "strong", "em", "s", "code", "pre", "blockquote", "a", "table", "thead", "tbody", "tr", "th", "td"],
  ALLOWED_ATTR: ["href", "title", "class", "start"],
  ALLOWED_URI_REGEXP: /^(?:https?:|missions:|file:|[^a-z]|[a-z+.-]+(?:[^a-z+.:-]|$))/i,
  ALLOW_DATA_ATTR: false,
  RETURN_DOM_FRAGMENT: true as const,
};

/** The text as nodes for the page. */
export function rendered(text: string): DocumentFragment {
  return DOMPurify.sanitize(markdown.render(text), ALLOWED);
}
