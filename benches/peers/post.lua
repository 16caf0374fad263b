-- what wrk sends: the body of the file named by $BODY
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.headers["Authorization"] = "Bearer master"
wrk.body = io.open(os.getenv("BODY")):read("a")
