;;; A mission seen and driven by Emacs with eglot, in batch mode; its environment says what to open. -*- lexical-binding: t -*-
;; Words on lines of their own are read by the test that starts this.
(require 'eglot)
(require 'flymake)
(require 'json)
(setq eglot-sync-connect 20 eglot-report-progress 'messages create-lockfiles nil make-backup-files nil)

(defvar mission (getenv "MISSION"))
(defvar progress nil)
(defvar shown nil)

(defun until (what found &optional seconds)
  "Wait until FOUND returns something; WHAT is named when it does not."
  (let ((end (+ (float-time) (or seconds 60))) value)
    (while (not (or (setq value (funcall found)) (> (float-time) end)))
      (accept-process-output nil 0.05))
    (unless value (message "TIMEOUT %s" what) (kill-emacs 1))
    value))

(cl-defmethod eglot-handle-notification :before ((_s eglot-lsp-server) (_m (eql $/progress)) &key _token value)
  (push (format "%s" (plist-get value :kind)) progress))
(cl-defmethod eglot-handle-request :before ((_s eglot-lsp-server) (_m (eql window/showDocument)) &key uri &allow-other-keys)
  (push uri shown))

(define-derived-mode mission-mode text-mode "Mission")
(add-to-list 'eglot-server-programs '(mission-mode . ("missions" "lsp")))
(find-file (getenv "MISSION_FILE"))
(mission-mode)
(call-interactively #'eglot)

(let* ((server (eglot-current-server))
       (run (lambda (name argument)
              (jsonrpc-request server :workspace/executeCommand
                               (list :command (concat "missions." name) :arguments (vector argument))
                               :timeout 60))))
  (message "CONNECTED %s" (plist-get (eglot--server-info server) :name))
  (flymake-mode 1)
  (until "the diagnostic" (lambda () (flymake-start) (flymake-diagnostics)))
  (message "DIAGNOSTIC %s" (car (split-string (flymake-diagnostic-text (car (flymake-diagnostics))) "\n")))
  (goto-char (point-min))
  (let ((actions (jsonrpc-request server :textDocument/codeAction
                                  (list :textDocument (eglot--TextDocumentIdentifier)
                                        :range (list :start '(:line 0 :character 0) :end '(:line 0 :character 1))
                                        :context (list :diagnostics [])))))
    (mapc (lambda (action) (message "ACTION %s" (plist-get action :title))) actions))
  (funcall run "control" (list :mission mission))
  (until "the document" (lambda () shown))
  (with-temp-buffer
    (insert-file-contents (eglot-uri-to-path (car shown)))
    (message "DOCUMENT %s" (buffer-substring (point-min) (line-end-position))))
  (funcall run "rerun-validation" (list :mission mission :milestone "M1"))
  ;; Eglot does not say that it can ask, so the question waits in the mission and is answered by a command.
  (condition-case problem
      (funcall run "resume" (list :mission mission))
    (error (message "ASKED %s" (plist-get (cdr (assq 'jsonrpc-error-data problem)) :code))))
  (funcall run "decide" (list :mission mission :answer "yes"))
  (until "progress" (lambda () (member "end" progress)) 120)
  (message "PROGRESS %s" (string-join (delete-dups (reverse progress)) " "))
  (until "the end of the diagnostics" (lambda () (flymake-start) (null (flymake-diagnostics))))
  (message "STATUS %s" (plist-get (plist-get (funcall run "status" (list :mission mission)) :data) :status))
  (eglot-shutdown server)
  (message "FINISHED"))
