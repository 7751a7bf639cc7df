//! curl command lines: what their options ask for.

use super::curl_form::{part, part_of_text};
use super::curl_options::{self, Meaning};
use super::form::{self, Part};
use super::shell::{self, Word};
use super::{HEADERS_MAX, REQUESTS_MAX, Request, Wrong, shown};
use std::path::Path;

/// Reads a file that a command names.
pub(super) type ReadFile<'a> = &'a dyn Fn(&Path) -> Result<Vec<u8>, String>;

/// Reads all requests of a text with one or more commands.
pub(super) fn requests(text: &[u8], read_file: ReadFile<'_>) -> Result<Vec<Request>, Wrong> {
    let commands = shell::commands(text)?;
    let mut requests = Vec::new();
    for command in &commands {
        let mut words = command.as_slice();
        // A prompt that was copied with the command.
        while let [prompt, rest @ ..] = words
            && matches!(prompt.text.as_slice(), b"$" | b"%")
        {
            words = rest;
        }
        let [name, arguments @ ..] = words else { continue };
        if !matches!(name.text.as_slice(), b"curl" | b"curl.exe") {
            let message =
                format!("`{}` is not curl; a URL that contains `&` or `;` needs quotes around it", shown(&name.text));
            return Err(Wrong::at(text, name.offset, message));
        }
        for command in Command::read(text, name.offset, arguments, read_file)? {
            command.requests(text, &mut requests)?;
        }
        if requests.len() > REQUESTS_MAX {
            return Err(Wrong::at(text, name.offset, format!("there are more than {REQUESTS_MAX} requests")));
        }
    }
    if requests.is_empty() {
        return Err(Wrong::at(text, 0, "there is no curl command"));
    }
    let several = requests.len() > 1;
    for (index, request) in requests.iter_mut().enumerate().filter(|_| several) {
        request.source = format!("request {}", index + 1);
    }
    Ok(requests)
}

/// What the options of one command ask for.
#[derive(Default)]
pub(super) struct Command<'a> {
    pub(super) offset: usize,
    pub(super) urls: Vec<&'a Word>,
    pub(super) method: Option<&'a [u8]>,
    pub(super) headers: Vec<&'a Word>,
    /// Bodies of `--data` and its like, already joined.
    pub(super) data: Option<Vec<u8>>,
    pub(super) is_json: bool,
    pub(super) parts: Vec<Part>,
    pub(super) cookies: Vec<&'a [u8]>,
    pub(super) user_agent: Option<&'a [u8]>,
    pub(super) referer: Option<&'a [u8]>,
    pub(super) user: Option<&'a [u8]>,
    pub(super) bearer: Option<&'a [u8]>,
    pub(super) range: Option<&'a [u8]>,
    pub(super) target: Option<&'a [u8]>,
    pub(super) is_get: bool,
    pub(super) is_head: bool,
    pub(super) is_compressed: bool,
    pub(super) is_path_as_is: bool,
    pub(super) protocol: Option<&'static [u8]>,
}

impl<'a> Command<'a> {
    /// Reads the arguments of one curl; `--next` begins another set of options.
    fn read(
        text: &[u8],
        offset: usize,
        arguments: &'a [Word],
        read_file: ReadFile<'_>,
    ) -> Result<Vec<Command<'a>>, Wrong> {
        let mut commands = vec![Command { offset, ..Command::default() }];
        let mut rest = arguments.iter();
        let mut options_end = false;
        while let Some(word) = rest.next() {
            let text_of = word.text.as_slice();
            let Some(command) = commands.last_mut() else { break };
            if options_end || !text_of.starts_with(b"-") || text_of == b"-" {
                command.urls.push(word);
                continue;
            }
            if text_of == b"--" {
                options_end = true;
                continue;
            }
            let options = options_of(word).map_err(|message| Wrong::at(text, word.offset, message))?;
            for (meaning, glued) in options {
                if meaning == Meaning::Next {
                    commands.push(Command { offset: word.offset, ..Command::default() });
                    continue;
                }
                let value = match (meaning.takes_value(), glued) {
                    (false, _) => None,
                    (true, Some(value)) => Some((value, word)),
                    (true, None) => {
                        let next = rest.next().ok_or_else(|| {
                            Wrong::at(text, word.offset, format!("`{}` needs a value", shown(text_of)))
                        })?;
                        Some((next.text.as_slice(), next))
                    }
                };
                let Some(command) = commands.last_mut() else { break };
                let outcome = match value {
                    Some((value, at)) => command.set(meaning, value, at, read_file),
                    None => command.flag(meaning),
                };
                outcome.map_err(|message| Wrong::at(text, word.offset, message))?;
            }
        }
        Ok(commands)
    }

    fn flag(&mut self, meaning: Meaning) -> Result<(), String> {
        match meaning {
            Meaning::Get => self.is_get = true,
            Meaning::Head => self.is_head = true,
            Meaning::Compressed => self.is_compressed = true,
            Meaning::PathAsIs => self.is_path_as_is = true,
            Meaning::Http10 => self.protocol = Some(b"HTTP/1.0"),
            Meaning::Http2 => self.protocol = Some(b"HTTP/2.0"),
            Meaning::Http3 => self.protocol = Some(b"HTTP/3.0"),
            _ => {}
        }
        Ok(())
    }

    fn set(&mut self, meaning: Meaning, value: &'a [u8], at: &'a Word, files: ReadFile<'_>) -> Result<(), String> {
        match meaning {
            Meaning::Method => self.method = Some(value),
            Meaning::Header if self.headers.len() >= HEADERS_MAX => {
                return Err(format!("there are more than {HEADERS_MAX} headers"));
            }
            Meaning::Header if value.starts_with(b"@") => {
                return Err("headers from a file are not supported; write them out".to_owned());
            }
            Meaning::Header => self.headers.push(at),
            Meaning::Data => {
                let data = content(value, files)?
                    .into_iter()
                    .filter(|byte| value.first() != Some(&b'@') || !b"\r\n\0".contains(byte));
                self.add_data(&data.collect::<Vec<_>>(), true);
            }
            Meaning::DataRaw => self.add_data(value, true),
            Meaning::DataBinary => self.add_data(&content(value, files)?, true),
            Meaning::DataUrlencode => self.add_data(&encoded(value, files)?, true),
            Meaning::Json => {
                self.is_json = true;
                self.add_data(&content(value, files)?, false);
            }
            Meaning::Form => self.parts.push(part(value, files)?),
            Meaning::FormString => self.parts.push(part_of_text(value)?),
            Meaning::Cookie if value.contains(&b'=') => self.cookies.push(value),
            Meaning::Cookie => return Err("cookies from a file are not supported; write them as name=value".to_owned()),
            Meaning::UserAgent => self.user_agent = Some(value),
            Meaning::Referer => self.referer = Some(value.strip_suffix(b";auto").unwrap_or(value)),
            Meaning::User => self.user = Some(value),
            Meaning::Bearer => self.bearer = Some(value),
            Meaning::Range => self.range = Some(value),
            Meaning::Url => self.urls.push(at),
            Meaning::RequestTarget => self.target = Some(value),
            Meaning::Unsupported => return Err("this option of curl is not supported".to_owned()),
            _ => {}
        }
        Ok(())
    }

    fn add_data(&mut self, more: &[u8], separated: bool) {
        match &mut self.data {
            Some(data) => {
                if separated {
                    data.push(b'&');
                }
                data.extend_from_slice(more);
            }
            None => self.data = Some(more.to_vec()),
        }
    }

    /// The requests, one for each URL.
    fn requests(&self, text: &[u8], requests: &mut Vec<Request>) -> Result<(), Wrong> {
        if self.urls.is_empty() {
            return Err(Wrong::at(text, self.offset, "this curl command has no URL"));
        }
        for url in &self.urls {
            let request = self.request(&url.text).map_err(|message| Wrong::at(text, url.offset, message))?;
            requests.push(request);
        }
        Ok(())
    }
}

/// An option, with the value that is glued to it.
type Given<'a> = (Meaning, Option<&'a [u8]>);

/// The options in a word.
fn options_of(word: &Word) -> Result<Vec<Given<'_>>, String> {
    let text = word.text.as_slice();
    if let Some(name) = text.strip_prefix(b"--") {
        let meaning = curl_options::long(name).ok_or_else(|| {
            let nearest = curl_options::nearest(&String::from_utf8_lossy(name));
            let hint = nearest.map(|nearest| format!("; did you mean --{nearest}?")).unwrap_or_default();
            format!("curl has no option `{}`{hint}", shown(text))
        })?;
        return Ok(vec![(meaning, None)]);
    }
    let mut options = Vec::new();
    let mut rest = text.get(1..).unwrap_or_default();
    while let Some((letter, more)) = rest.split_first() {
        let meaning =
            curl_options::short(*letter).ok_or_else(|| format!("curl has no option `-{}`", shown(&[*letter])))?;
        if meaning.takes_value() {
            options.push((meaning, Some(more).filter(|more| !more.is_empty())));
            break;
        }
        options.push((meaning, None));
        rest = more;
    }
    Ok(options)
}

/// A value, or what is in the file that `@` names.
fn content(value: &[u8], read_file: ReadFile<'_>) -> Result<Vec<u8>, String> {
    match value.strip_prefix(b"@") {
        Some(name) => file(name, read_file),
        None => Ok(value.to_vec()),
    }
}

pub(super) fn file(name: &[u8], read_file: ReadFile<'_>) -> Result<Vec<u8>, String> {
    if name == b"-" {
        return Err("a body from standard input is not supported".to_owned());
    }
    read_file(Path::new(&*String::from_utf8_lossy(name)))
}

/// The value of `--data-urlencode`: `content`, `=content`, `name=content`, `@file` or `name@file`.
fn encoded(value: &[u8], read_file: ReadFile<'_>) -> Result<Vec<u8>, String> {
    let Some(at) = value.iter().position(|byte| matches!(byte, b'=' | b'@')) else {
        return Ok(form::url_encoded(value));
    };
    let (name, rest) = value.split_at(at);
    let rest = rest.get(1..).unwrap_or_default();
    let content = if value.get(at) == Some(&b'@') { file(rest, read_file)? } else { rest.to_vec() };
    let content = form::url_encoded(&content);
    Ok(if name.is_empty() { content } else { [name, b"=", &content].concat() })
}

#[cfg(test)]
mod tests {
    use super::super::form::BOUNDARY;
    use super::super::header;
    use super::*;

    fn read(text: &str) -> Vec<Request> {
        let files = |path: &Path| match path.to_str() {
            Some("a.txt") => Ok(b"line 1\nline 2\n".to_vec()),
            _ => Err(format!("{} cannot be read", path.display())),
        };
        requests(text.as_bytes(), &files).unwrap_or_else(|wrong| panic!("{wrong:?}"))
    }

    fn one(text: &str) -> Request {
        read(text).remove(0)
    }

    fn value(request: &Request, name: &str) -> Option<String> {
        header(&request.headers, name).map(|value| String::from_utf8(value.to_vec()).unwrap())
    }

    fn body(request: &Request) -> &str {
        std::str::from_utf8(&request.body).unwrap()
    }

    fn wrong(text: &str) -> Wrong {
        requests(text.as_bytes(), &|_| Err("no files here".to_owned())).unwrap_err()
    }

    #[test]
    fn what_chrome_copies_is_understood() {
        let request = one(r#"curl 'https://shop.example/api/cart?id=1' \
  -X 'PUT' \
  -H 'accept: application/json, text/plain, */*' \
  -H 'content-type: application/json' \
  -b 'session=abc; theme=dark' \
  -H 'user-agent: Mozilla/5.0 (X11; Linux x86_64)' \
  --data-raw $'{\"note\":\"it\'s \u0021\"}' \
  --compressed ;
"#);
        assert_eq!((&request.method[..], &request.target[..]), (&b"PUT"[..], &b"/api/cart?id=1"[..]));
        assert_eq!(body(&request), r#"{"note":"it's !"}"#);
        assert_eq!(value(&request, "Host").as_deref(), Some("shop.example"));
        assert_eq!(value(&request, "Cookie").as_deref(), Some("session=abc; theme=dark"));
        assert_eq!(value(&request, "User-Agent").as_deref(), Some("Mozilla/5.0 (X11; Linux x86_64)"));
        assert_eq!(value(&request, "Content-Length").as_deref(), Some("17"));
        assert_eq!(request.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case(b"content-type")).count(), 1);
    }

    #[test]
    fn data_is_joined_and_encoded_as_curl_does() {
        let request = one("curl -sS http://x -d a=1 --data-urlencode 'q=a b&c' --data-urlencode =d -d @a.txt");
        assert_eq!(body(&request), "a=1&q=a%20b%26c&d&line 1line 2");
        assert_eq!(request.method, b"POST");
        assert_eq!(value(&request, "content-type").as_deref(), Some("application/x-www-form-urlencoded"));
        let request = one("curl -G 'http://x/p?a=1#top' -d b=2");
        assert_eq!((&request.method[..], &request.target[..]), (&b"GET"[..], &b"/p?a=1&b=2"[..]));
        assert!(request.body.is_empty() && value(&request, "content-length").is_none());
        let request = one(r#"curl http://x --json '{"a":' --json '1}'"#);
        assert_eq!(body(&request), r#"{"a":1}"#);
        assert_eq!(value(&request, "accept").as_deref(), Some("application/json"));
        assert_eq!(body(&one("curl x --data-binary @a.txt")), "line 1\nline 2\n");
        assert_eq!(body(&one("curl x --data-raw @a.txt")), "@a.txt");
    }

    #[test]
    fn forms_become_multipart_bodies() {
        let request = one(
            "curl x -F 'note=\"a; b\";type=text/x' -F 'file=@a.txt;type=text/plain;filename=\"../x.php\"' --form-string 'raw=@b'",
        );
        let body = body(&request);
        assert!(value(&request, "content-type").unwrap().ends_with(BOUNDARY));
        for expected in [
            "name=\"note\"\r\nContent-Type: text/x\r\n\r\na; b\r\n",
            "name=\"file\"; filename=\"../x.php\"\r\nContent-Type: text/plain\r\n\r\nline 1\nline 2\n\r\n",
            "name=\"raw\"\r\n\r\n@b\r\n",
        ] {
            assert!(body.contains(expected), "{body}");
        }
    }

    #[test]
    fn headers_are_replaced_removed_and_emptied() {
        let request =
            one("curl http://u:p@x:8080 -H 'Host: y' -H 'Accept:' -H 'X-Empty;' -A '' -e 'http://r/;auto' -r 0-9");
        assert_eq!(value(&request, "Host").as_deref(), Some("y"));
        assert_eq!(value(&request, "Accept"), None);
        assert_eq!(value(&request, "X-Empty").as_deref(), Some(""));
        assert_eq!(value(&request, "User-Agent"), None);
        assert_eq!(value(&request, "Referer").as_deref(), Some("http://r/"));
        assert_eq!(value(&request, "Range").as_deref(), Some("bytes=0-9"));
        assert_eq!(value(&request, "Authorization").as_deref(), Some("Basic dTpw"));
        assert_eq!(value(&one("curl x -u a:b"), "authorization").as_deref(), Some("Basic YTpi"));
        assert_eq!(one("curl -I x").method, b"HEAD");
    }

    #[test]
    fn paths_are_resolved_unless_they_are_to_stay() {
        let request = one("curl http://x/a/../../etc/passwd");
        assert_eq!(&request.target[..], b"/etc/passwd");
        assert!(request.notes[0].contains("--path-as-is"));
        assert_eq!(&one("curl --path-as-is http://x/a/../b").target[..], b"/a/../b");
    }

    #[test]
    fn several_requests_of_one_text() {
        let requests = read("$ curl http://a/1 http://a/2 -k\ncurl -XDELETE http://b/ | jq .\ncurl c --next d -d x\n");
        let shown: Vec<_> =
            requests.iter().map(|r| (r.source.as_str(), &r.method[..], value(r, "host").unwrap())).collect();
        assert_eq!(shown.len(), 5);
        assert_eq!(shown[1], ("request 2", &b"GET"[..], "a".to_owned()));
        assert_eq!(shown[2].1, b"DELETE");
        assert_eq!((shown[3].1, shown[4].1), (&b"GET"[..], &b"POST"[..]));
    }

    #[test]
    fn errors_name_the_place_and_what_to_do() {
        let unknown = wrong("curl http://x \\\n  --dta-raw x");
        assert_eq!((unknown.line, unknown.column), (2, 3));
        assert_eq!(unknown.message, "curl has no option `--dta-raw`; did you mean --data-raw?");
        assert!(wrong("curl http://x/?a=1&b=2").message.contains("needs quotes"));
        assert!(wrong("curl -H").message.contains("needs a value"));
        assert!(wrong("curl -k").message.contains("no URL"));
        assert!(wrong("curl ftp://x/").message.contains("not an http"));
        assert_eq!(wrong("curl x -F a=@b").message, "no files here");
        assert!(wrong("").message.contains("no curl command"));
    }
}
